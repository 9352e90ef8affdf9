using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.Extensions.Options;
using Microsoft.Net.Http.Headers;
using JsonOptions = Microsoft.AspNetCore.Http.Json.JsonOptions;

namespace Townhall.Api.Caching;

/// <summary>Answers of reads that are asked again and again: with an <c>ETag</c> over their bytes, and 304 to who has them already.</summary>
internal static class EntityTags
{
    /// <summary>Marks a read. Its other answers, as refusals, stay as they are.</summary>
    public static RouteHandlerBuilder WithEntityTag(this RouteHandlerBuilder builder) =>
        builder.AddEndpointFilter(TagAsync).Produces(StatusCodes.Status304NotModified);

    private static async ValueTask<object?> TagAsync(EndpointFilterInvocationContext invocation, EndpointFilterDelegate next)
    {
        var result = await next(invocation);
        while (result is INestedHttpResult nested)
        {
            result = nested.Result;
        }

        if (result is not IStatusCodeHttpResult { StatusCode: StatusCodes.Status200OK } || result is not IValueHttpResult { Value: { } value })
        {
            return result;
        }

        var options = invocation.HttpContext.RequestServices.GetRequiredService<IOptions<JsonOptions>>().Value.SerializerOptions;
        var json = Json(value);
        return new TaggedAnswer(json, value is ITagged tagged ? Json(tagged.ForTag()) : json);

        byte[] Json(object view) => JsonSerializer.SerializeToUtf8Bytes(view, options.GetTypeInfo(view.GetType()));
    }
}

/// <summary>A document with members that change by themselves.</summary>
internal interface ITagged
{
    /// <summary>The same without them: two answers with equal ones say the same.</summary>
    object ForTag();
}

/// <summary>A JSON body with its tag, or 304 without one.</summary>
/// <param name="named">What the tag is over.</param>
internal sealed class TaggedAnswer(byte[] json, byte[] named) : IResult
{
    public async Task ExecuteAsync(HttpContext httpContext)
    {
        var response = httpContext.Response;
        var tag = new EntityTagHeaderValue($"\"{Convert.ToHexStringLower(SHA256.HashData(named).AsSpan(0, 16))}\"");
        response.Headers.ETag = tag.ToString();
        response.Headers.CacheControl = "private, no-cache";
        // Weak comparison, as RFC 9110, section 13.1.2, wants it for this header.
        if (httpContext.Request.GetTypedHeaders().IfNoneMatch.Any(known => known.Equals(EntityTagHeaderValue.Any) || known.Compare(tag, useStrongComparison: false)))
        {
            response.StatusCode = StatusCodes.Status304NotModified;
            return;
        }

        response.ContentType = "application/json; charset=utf-8";
        response.ContentLength = json.Length;
        await response.Body.WriteAsync(json, httpContext.RequestAborted);
    }
}
