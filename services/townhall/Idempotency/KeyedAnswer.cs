using System.Text;
using System.Text.Json;

namespace Townhall.Api.Idempotency;

/// <summary>The answer of a call with a key, in the words that are kept for its repeats.</summary>
/// <param name="Json">The body; sent as it is.</param>
/// <param name="Location">Where what was made can be read; null when there is no one place.</param>
/// <param name="Replayed">A repeat: nothing was made by this call.</param>
internal sealed record KeyedAnswer(int Status, string Json, string? Location, bool Replayed) : IResult, IStatusCodeHttpResult
{
    int? IStatusCodeHttpResult.StatusCode => Status;

    /// <summary>An answer that created one thing, at <paramref name="place"/> followed by the id in member <paramref name="idMember"/>.</summary>
    public static KeyedAnswer Made(int status, string json, string place, string idMember, bool replayed)
    {
        // Read as plain JSON: an answer kept by an older release may have other members.
        using var document = JsonDocument.Parse(json);
        return new(status, json, place + document.RootElement.GetProperty(idMember).GetString(), replayed);
    }

    public async Task ExecuteAsync(HttpContext httpContext)
    {
        var response = httpContext.Response;
        response.StatusCode = Status;
        response.ContentType = "application/json; charset=utf-8";
        if (Location is not null)
        {
            response.Headers.Location = Location;
        }

        if (Replayed)
        {
            response.Headers["Idempotency-Replayed"] = "true";
        }

        var body = Encoding.UTF8.GetBytes(Json);
        response.ContentLength = body.Length;
        await response.Body.WriteAsync(body, httpContext.RequestAborted);
    }
}
