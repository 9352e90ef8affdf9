using System.Globalization;
using System.Text.Json.Nodes;

namespace Townhall.OpenApi.Describing;

/// <summary>One plausible value for a schema: the shortest that shows every member.</summary>
internal sealed class Exampler(IReadOnlyDictionary<string, JsonNode> components)
{
    private static readonly Dictionary<string, string> Words = new(StringComparer.Ordinal)
    {
        ["name"] = "ann",
        ["agent"] = "ann",
        ["agent_name"] = "ann",
        ["nickname"] = "Dot",
        ["role_id"] = "worker",
        ["cli"] = "claude",
        ["task"] = "Run the tests and repair what fails.",
        ["description"] = "Run the tests and repair what fails.",
        ["runtime"] = "command",
        ["tenant"] = "default",
        ["concurrency_key"] = "repo:shop",
        ["rate_key"] = "provider:a",
        ["key"] = "repo:shop",
        ["tags"] = "ci",
        ["text"] = "Leave the public API as it is.",
        ["to"] = "bob",
        ["from"] = "ann",
        ["actor"] = "local",
        ["created_by"] = "local",
        ["result"] = "All tests pass.",
        ["read"] = "/srv/shop",
        ["write"] = "/srv/shop",
        ["workdir"] = "/srv/shop",
        ["root"] = "/srv/shop",
        ["redis_url"] = "redis://127.0.0.1:6379",
        ["town"] = "town",
        ["version"] = "0.1.0",
        ["sandbox"] = "bubblewrap",
        ["status"] = "ok",
        ["worker_name"] = "worker-1",
        ["code"] = "agent_busy",
        ["action"] = "TaskCompleted",
        ["outcome"] = "success",
        ["detail"] = "{}",
        ["failure_code"] = "exit_code",
        ["failure_detail"] = "The command ended with code 1.",
        ["message"] = "Please rebase.",
        ["cursor"] = "AZBqXayWd0u8zrMCCZqAVw",
        ["next_cursor"] = "AZBqXayWd0u8zrMCCZqAVw",
        ["ledger"] = "postgres",
        ["mode"] = "production",
        ["hash"] = new string('a', 64),
        ["prev_hash"] = new string('0', 64),
        ["result_blob"] = new string('a', 64),
        ["redis"] = "connected",
        ["destination"] = "Listed",
        ["reason"] = "agent_terminal",
        ["confirm_token"] = "5Jx0Z8k3VQ2m7o9c1S4tYwBnRrEeUuIiOoPpAaSsDdF",
    };

    public JsonNode? Of(JsonNode schema, string name = "", int depth = 0)
    {
        if (schema["example"] is { } said)
        {
            return said.DeepClone();
        }

        if (schema["$ref"]?.GetValue<string>() is { } reference)
        {
            var target = reference.Split('/')[^1];
            return Of(components[target], name, depth + 1);
        }

        if ((schema["anyOf"] ?? schema["allOf"]) is JsonArray either)
        {
            return Of(either[0]!, name, depth);
        }

        if (schema["const"] is { } only)
        {
            return only.DeepClone();
        }

        if (schema["enum"] is JsonArray choices)
        {
            return choices[0]?.DeepClone();
        }

        var type = schema["type"] is JsonArray types ? types[0]!.GetValue<string>() : schema["type"]?.GetValue<string>();
        return type switch
        {
            "object" => Members(schema, depth),
            "array" when depth > 8 => new JsonArray(),
            "array" => new JsonArray(Of(schema["items"]!, name, depth + 1)),
            "string" => Text(schema, name),
            "integer" => Math.Max(schema["minimum"] is { } least ? long.Parse(least.ToJsonString(), CultureInfo.InvariantCulture) : 1, 1),
            "number" => 1.5,
            "boolean" => false,
            _ => null,
        };
    }

    private JsonObject Members(JsonNode schema, int depth)
    {
        var made = new JsonObject();
        foreach (var (member, of) in schema["properties"] as JsonObject ?? [])
        {
            made[member] = Of(of!, member, depth + 1);
        }

        if (made.Count == 0 && schema["additionalProperties"] is JsonObject each)
        {
            made["task_ended"] = Of(each, "", depth + 1);
        }

        return made;
    }

    private static string Text(JsonNode schema, string name) => schema["format"]?.GetValue<string>() switch
    {
        "uuid" => "01890a5d-ac96-774b-bcce-b302099a8057",
        "date-time" => "2027-01-02T03:04:05.678901Z",
        _ => Words.GetValueOrDefault(name, "text"),
    };
}
