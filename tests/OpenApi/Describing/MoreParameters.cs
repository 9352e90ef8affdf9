using System.Text.Json.Nodes;

namespace Townhall.OpenApi.Describing;

/// <summary>Parameters that handlers read by themselves instead of declaring them.</summary>
internal static class MoreParameters
{
    private static readonly Dictionary<string, (string Name, string In, string Words, Func<JsonObject> Schema)[]> Known = new(StringComparer.Ordinal)
    {
        ["GET /events"] =
        [
            ("Last-Event-ID", "header", "Go on behind this position; 0 is the beginning. Wins over `after`.", Position),
            ("after", "query", "The same for callers who cannot set headers. Left out: everything from now on.", Position),
            ("last_event_id", "query", "The same under another name.", Position),
            ("agent", "query", "Only entries of this agent: its id or name.", static () => new() { ["type"] = "string", ["maxLength"] = 200 }),
            ("task", "query", "Only entries of this task.", static () => new() { ["type"] = "string", ["format"] = "uuid" }),
            ("action", "query", "Only these actions, comma separated, at most 32, as `TaskCompleted` or `task_completed`.",
                static () => new() { ["type"] = "string", ["pattern"] = "^[A-Za-z_]+(,[A-Za-z_]+){0,31}$" }),
        ],
    };

    public static IEnumerable<JsonObject> Of(string operation) =>
        Known.GetValueOrDefault(operation, []).Select(static one => new JsonObject
        {
            ["name"] = one.Name,
            ["in"] = one.In,
            ["required"] = false,
            ["description"] = one.Words,
            ["schema"] = one.Schema(),
        });

    private static JsonObject Position() => new() { ["type"] = "integer", ["format"] = "int64", ["minimum"] = 0 };
}
