using System.Security.Cryptography;

namespace Townhall.Api.Docs;

/// <summary>The API's description: for programs as OpenAPI, for people as a page that asks nobody else for anything.</summary>
/// <remarks>Anybody may read it: it says nothing of the town, and a browser that opens a page has no key to send.</remarks>
internal static class DocsEndpoints
{
    // The page's own files and nothing else: no inline script, no frame, no form, no other origin.
    private const string Policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    private static readonly StaticText s_json = StaticText.Of("townhall-v1.json", "application/json");
    private static readonly StaticText s_yaml = StaticText.Of("townhall-v1.yaml", "application/yaml");
    private static readonly StaticText s_page = StaticText.Of("page.html", "text/html; charset=utf-8");
    private static readonly StaticText s_style = StaticText.Of("page.css", "text/css; charset=utf-8");
    private static readonly StaticText s_script = StaticText.Of("page.js", "text/javascript; charset=utf-8");

    public static void MapDocs(this IEndpointRouteBuilder routes)
    {
        var docs = routes.MapGroup("").AllowAnonymous().WithTags("Docs");
        docs.MapGet("/openapi/v1.json", GetOpenApi).Produces<string>(contentType: "application/json").Produces(304);
        docs.MapGet("/openapi/v1.yaml", GetOpenApiYaml).Produces<string>(contentType: "application/yaml").Produces(304);
        docs.MapGet("/docs", GetPage).Produces<string>(contentType: "text/html").Produces(304);
        docs.MapGet("/docs/page.css", GetStyle).Produces<string>(contentType: "text/css").Produces(304);
        docs.MapGet("/docs/page.js", GetScript).Produces<string>(contentType: "text/javascript").Produces(304);
    }

    internal static IResult GetOpenApi(HttpContext context) => s_json.Answer(context, Policy);

    internal static IResult GetOpenApiYaml(HttpContext context) => s_yaml.Answer(context, Policy);

    internal static IResult GetPage(HttpContext context) => s_page.Answer(context, Policy);

    internal static IResult GetStyle(HttpContext context) => s_style.Answer(context, Policy);

    internal static IResult GetScript(HttpContext context) => s_script.Answer(context, Policy);
}

/// <summary>A file that was built in; its tag is the hash of its bytes.</summary>
internal sealed record StaticText(byte[] Bytes, string ContentType, string Tag)
{
    /// <exception cref="InvalidOperationException">It was not built in.</exception>
    public static StaticText Of(string name, string contentType)
    {
        using var stream = typeof(StaticText).Assembly.GetManifestResourceStream(name)
            ?? throw new InvalidOperationException($"{name} is not part of this build.");
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return new(bytes, contentType, $"\"{Convert.ToHexStringLower(SHA256.HashData(bytes).AsSpan(0, 16))}\"");
    }

    public IResult Answer(HttpContext context, string policy)
    {
        var headers = context.Response.Headers;
        headers.ContentSecurityPolicy = policy;
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        headers.CacheControl = "no-cache";
        headers.ETag = Tag;
        return context.Request.Headers.IfNoneMatch.ToString() == Tag
            ? TypedResults.StatusCode(StatusCodes.Status304NotModified)
            : TypedResults.Bytes(Bytes, ContentType);
    }
}
