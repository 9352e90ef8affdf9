using System.Reflection;
using System.Text.Json.Nodes;
using Townhall.Contracts.Ledger;

namespace Townhall.OpenApi.Describing;

/// <summary>What the stream of events carries. The notifier writes these by hand, so they are described by hand; a test reads a real stream against them.</summary>
internal static class EventSchemas
{
    public static void Write(SchemaWriter schemas)
    {
        schemas.Named("LedgerEvent", new()
        {
            ["type"] = "object",
            ["description"] = "`data:` of an event without a name: one ledger entry. Its `id:` is `seq`.",
            ["required"] = new JsonArray("id", "seq", "agent_id", "agent_name", "task_id", "actor", "action", "timestamp", "payload", "detail", "outcome", "prev_hash", "hash"),
            ["properties"] = new JsonObject
            {
                ["id"] = Text("Number of the entry as it was written, before it got its place.", "^[0-9]+$"),
                ["seq"] = new JsonObject { ["type"] = "integer", ["format"] = "int64", ["minimum"] = 1, ["description"] = "Position in the ledger: rises by one with each entry, without gaps." },
                ["agent_id"] = SchemaWriter.OrNull(new() { ["type"] = "string", ["format"] = "uuid" }),
                ["agent_name"] = SchemaWriter.OrNull(new() { ["type"] = "string" }),
                ["task_id"] = SchemaWriter.OrNull(new() { ["type"] = "string", ["format"] = "uuid" }),
                ["actor"] = Text("Who did it, as `local`, `key:ci` or `worker:…`."),
                ["action"] = new JsonObject { ["type"] = "string", ["enum"] = Words(typeof(Actions)) },
                ["timestamp"] = new JsonObject { ["type"] = "string", ["format"] = "date-time" },
                ["payload"] = new JsonObject { ["type"] = "object", ["description"] = "What belongs to this action; equal to `detail`." },
                ["detail"] = new JsonObject { ["type"] = "object" },
                ["outcome"] = new JsonObject { ["type"] = "string", ["enum"] = Words(typeof(Outcomes)) },
                ["prev_hash"] = Text("Hash of the entry before, hex.", "^[0-9a-f]{64}$"),
                ["hash"] = Text("SHA-256 over every field and the hash before; docs/ledger.md tells how.", "^[0-9a-f]{64}$"),
            },
        });
        schemas.Named("GapEvent", new()
        {
            ["type"] = "object",
            ["description"] = "`data:` of `event: gap`: what stands between is not told here.",
            ["required"] = new JsonArray("after", "resumes_at", "reason", "read_at"),
            ["properties"] = new JsonObject
            {
                ["after"] = new JsonObject { ["type"] = "integer", ["format"] = "int64", ["minimum"] = 0 },
                ["resumes_at"] = new JsonObject { ["type"] = "integer", ["format"] = "int64", ["minimum"] = 0 },
                ["reason"] = new JsonObject { ["type"] = "string", ["enum"] = new JsonArray("archived", "ahead") },
                ["read_at"] = Text("Where what is missing can be read."),
            },
        });
        schemas.Named("ReconnectEvent", new()
        {
            ["type"] = "object",
            ["description"] = "`data:` of `event: reconnect`: this server stops; come back after this time.",
            ["required"] = new JsonArray("retry_ms"),
            ["properties"] = new JsonObject { ["retry_ms"] = new JsonObject { ["type"] = "integer", ["minimum"] = 0 } },
        });
    }

    /// <summary>The media type of the stream: each event's name and the schema of its data.</summary>
    public static JsonObject Stream() => new()
    {
        ["schema"] = new JsonObject { ["type"] = "string", ["description"] = "Server-sent events (docs/events.md)." },
        ["x-events"] = new JsonObject
        {
            ["message"] = new JsonObject { ["$ref"] = "#/components/schemas/LedgerEvent" },
            ["gap"] = new JsonObject { ["$ref"] = "#/components/schemas/GapEvent" },
            ["reconnect"] = new JsonObject { ["$ref"] = "#/components/schemas/ReconnectEvent" },
        },
    };

    private static JsonArray Words(Type of) => new(
        [.. of.GetFields(BindingFlags.Public | BindingFlags.Static).Select(static one => JsonValue.Create((string)one.GetRawConstantValue()!))]);

    private static JsonObject Text(string words, string? pattern = null)
    {
        var text = new JsonObject { ["type"] = "string", ["description"] = words };
        if (pattern is not null)
        {
            text["pattern"] = pattern;
        }

        return text;
    }
}
