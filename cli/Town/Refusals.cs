using System.Globalization;
using System.Net;
using System.Text.Json;
using Townhall.Cli.Invoking;

namespace Townhall.Cli.Town;

/// <summary>Reads what a refusal says. Also what is no problem document becomes a sentence: proxies answer as they like.</summary>
internal static class Refusals
{
    public static CommandFailure Read(HttpStatusCode status, string body)
    {
        var problem = Parse(body);
        return CommandFailure.Refused(
            status,
            problem?.Code is { Length: > 0 } code ? code : string.Create(CultureInfo.InvariantCulture, $"http_{(int)status}"),
            problem?.Detail ?? problem?.Title ?? "The answer has no problem document: something else than a town may listen there.");
    }

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
