namespace Townhall.Api.Tasks;

/// <summary>States as callers may say them.</summary>
internal static class TaskStates
{
    /// <summary>The state that is meant: older clients say <c>in_flight</c> for <c>running</c>. Answers never do.</summary>
    public static string Known(string said) => said == "in_flight" ? "running" : said;
}
