using System.Globalization;
using System.Net;
using System.Text.Json;

namespace Townhall.Client.Calls;

/// <summary>Reads what a refusal says. Also what is no problem document becomes a sentence: proxies answer as they like.</summary>
internal static class Refusals
{
    /// <summary>Codes of 503 that say that the request was not begun.</summary>
    private static readonly HashSet<string> NotBegun = new(StringComparer.Ordinal) { "overloaded", "stopping", "rate_limited" };

    public static Miss Read(HttpResponseMessage answer, string body, DateTimeOffset now)
    {
        var problem = Parse(body);
        var status = answer.StatusCode;
        var code = problem?.Code is { Length: > 0 } told ? told : string.Create(CultureInfo.InvariantCulture, $"http_{(int)status}");
        var detail = problem?.Detail ?? problem?.Title
            ?? "The answer has no problem document: something else than a town may listen there.";
        var wait = RetryAfter(answer, now);
        return new Miss(
            new TownProblemException(status, code, detail, problem?.TraceId, wait),
            Begun: status != HttpStatusCode.TooManyRequests && !NotBegun.Contains(code),
            status, wait);
    }

    private static TimeSpan? RetryAfter(HttpResponseMessage answer, DateTimeOffset now) => answer.Headers.RetryAfter switch
    {
        { Delta: { } delta } => delta,
        { Date: { } date } => date > now ? date - now : TimeSpan.Zero,
        _ => null,
    };

    private static ProblemDocument? Parse(string body)
    {
        try
        {
            return JsonSerializer.Deserialize(body, ProblemJson.Default.ProblemDocument);
        }
        catch (JsonException)
        {
            return null;    // a page of something in between: the status is all there is to tell
        }
    }
}
