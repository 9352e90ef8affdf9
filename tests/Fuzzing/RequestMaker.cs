using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Townhall.Testing;

namespace Townhall.Fuzzing;

/// <summary>Requests that the description allows, over all operations.</summary>
internal sealed class RequestMaker(ApiDocument api, Known known)
{
    // The page's files are the same every time, and streams cost a moment each: a few calls say all there is to say.
    private static readonly HashSet<string> Rare = new(StringComparer.Ordinal)
    {
        "followEvents", "getOpenApi", "getOpenApiYaml", "getDocs", "getDocsStyle", "getDocsScript", "pruneAgents", "getStatus",
    };

    private static readonly HashSet<string> Unfiltered = new(StringComparer.Ordinal) { "listAgents", "listLimits", "listKeys", "listBacklog", "listPendingTasks" };
    private static readonly JsonElement Anything = JsonDocument.Parse("{}").RootElement;

    private readonly ApiOperation[] _operations = [.. api.Operations.SelectMany(static one => Enumerable.Repeat(one, Rare.Contains(one.Id) ? 1 : one.Id.StartsWith("assign", StringComparison.Ordinal) ? 30 : 10))];

    public Call Make(int index, Random random)
    {
        var operation = _operations[random.Next(_operations.Length)];
        var values = new ValueMaker(api, known, random);
        var path = operation.Path;
        var query = new List<string>();
        var headers = new List<(string, string)>();
        foreach (var parameter in operation.Description.TryGetProperty("parameters", out var parameters) ? parameters.EnumerateArray().ToArray() : [])
        {
            var name = parameter.GetProperty("name").GetString()!;
            var place = parameter.GetProperty("in").GetString();
            if (place != "path" && random.Next(3) > 0)
            {
                continue;
            }

            var value = Parameter(operation, parameter, name, values, random);
            switch (place)
            {
                case null or "path":
                    path = path.Replace($"{{{name}}}", Uri.EscapeDataString(value), StringComparison.Ordinal);
                    break;
                case "query" when value.Length > 0:
                    query.Add($"{name}={Uri.EscapeDataString(value)}");
                    break;
                case "header" when value.Length > 0:
                    headers.Add((name, value));
                    break;
            }
        }

        byte[]? body = null;
        if (operation.Description.TryGetProperty("requestBody", out var sent) && (sent.GetProperty("required").GetBoolean() || random.Next(3) > 0))
        {
            if (sent.GetProperty("content").TryGetProperty("application/octet-stream", out _))
            {
                body = new byte[random.Next(2000)];
                random.NextBytes(body);
                // Its name is its hash.
                path = operation.Id == "putBlob" ? $"/v1/blobs/{Convert.ToHexStringLower(SHA256.HashData(body))}" : path;
                headers.Add(("Content-Type", "application/octet-stream"));
                return new(index, operation, operation.Method, path, headers, body);
            }

            var made = operation.Id == "beginBulk" ? Bulk(values, random) : values.Make(sent.GetProperty("content").GetProperty("application/json").GetProperty("schema"), "");
            if (operation.Id == "putLimit" && path.EndsWith("/town", StringComparison.Ordinal))
            {
                made!.AsObject().Remove("rate_per_minute");
            }

            body = Encoding.UTF8.GetBytes(made!.ToJsonString());
            headers.Add(("Content-Type", "application/json"));
        }

        return new(index, operation, operation.Method, query.Count == 0 ? path : $"{path}?{string.Join('&', query)}", headers, body);
    }

    private string Parameter(ApiOperation operation, JsonElement parameter, string name, ValueMaker values, Random random)
    {
        switch (name)
        {
            case "cursor":
                // Where a list has filters or belongs to somebody, its cursors are its own: another call may not use them.
                return Unfiltered.Contains(operation.Id) ? known.One($"cursor of {operation.Id}", random) ?? "" : "";
            case "id" when operation.Path.StartsWith("/v1/keys", StringComparison.Ordinal):
                return known.One("key", random) ?? "unknown";
            case "id" when operation.Id == "getBulk":
                return known.One("bulk_id", random) ?? Guid.NewGuid().ToString();
            case "message_id":
                return known.One("message", random) ?? Guid.NewGuid().ToString();
            case "agent" or "key" or "name" when parameter.GetProperty("in").GetString() == "path":
                return name == "agent" ? known.One("agent", random) ?? "nobody" : random.Next(3) == 0 ? "town" : $"key {random.Next(20)}/ü";
            case "If-None-Match":
                return "W/\"0-0-0\"";
            default:
                var made = values.Make(parameter.GetProperty("schema"), name);
                return made is null ? "" : made is JsonValue value && value.TryGetValue<string>(out var text) ? text : made.ToJsonString();
        }
    }

    /// <summary>What belongs together in a selection is more than its schema can say.</summary>
    private JsonObject Bulk(ValueMaker values, Random random)
    {
        if (random.Next(3) == 0 && known.Take("confirm_token") is { } token)
        {
            return new() { ["confirm_token"] = token };
        }

        var action = random.Next(3) switch { 0 => "cancel", 1 => "retry", _ => "reassign" };
        var bulk = new JsonObject { ["action"] = action, ["dry_run"] = true };
        if (action == "reassign")
        {
            bulk["to"] = known.One("agent", random) ?? "nobody";
        }

        if (random.Next(2) == 0)
        {
            // Narrow, so that one selection does not end what all the others talk about.
            bulk["filter"] = new JsonObject { ["tag"] = values.Text(Anything, "tag") };
        }
        else
        {
            bulk["filter"] = new JsonObject { ["agent"] = known.One("agent", random) ?? "nobody" };
        }

        return bulk;
    }
}
