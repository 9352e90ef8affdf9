using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Townhall.Testing;

namespace Townhall.Fuzzing;

/// <summary>Values that a schema allows: ordinary ones mostly, its edges often.</summary>
internal sealed class ValueMaker(ApiDocument api, Known known, Random random)
{
    private static readonly string[] Texts =
    [
        "fix the flaky test", "a", "Ünïcödé 名前 اسم", "👩‍👩‍👧‍👦 family", "e\u0301 combining", "it's \"quoted\" \\ back", "<b>&amp;</b>", "%00 %2F ${x} {{y}}",
        "'; DROP TABLE task; --", "../../x", "a\u200Bb", "\uFFFD\uFFFE", "𝔘𝔫𝔦", "repo:shop", "key/with/slash", "null", "0", "-1",
    ];

    public static readonly DateTimeOffset Now = TimeProvider.System.GetUtcNow();

    public JsonNode? Make(JsonElement schema, string name)
    {
        schema = api.Validator.Resolve(schema);
        if (schema.TryGetProperty("anyOf", out var either))
        {
            return Make(either[random.Next(either.GetArrayLength())], name);
        }

        if (schema.TryGetProperty("enum", out var choices))
        {
            return JsonNode.Parse(choices[random.Next(choices.GetArrayLength())].GetRawText());
        }

        var type = schema.TryGetProperty("type", out var types) && types.ValueKind == JsonValueKind.Array
            ? types[random.Next(5) == 0 ? types.GetArrayLength() - 1 : 0].GetString()
            : schema.TryGetProperty("type", out types) ? types.GetString() : "null";
        return type switch
        {
            "object" => Members(schema),
            "array" => Items(schema, name),
            "string" => Text(schema, name),
            "integer" => Whole(schema),
            "number" => Real(schema),
            "boolean" => random.Next(2) == 0,
            _ => null,
        };
    }

    public string Text(JsonElement schema, string name)
    {
        switch (schema.TryGetProperty("format", out var format) ? format.GetString() : null)
        {
            case "uuid":
                return (name == "id" ? known.One("task", random) : null) ?? Guid.NewGuid().ToString();
            case "date-time":
                return Instant(name);
        }

        var pattern = schema.TryGetProperty("pattern", out var with) ? with.GetString()! : "";
        var most = schema.TryGetProperty("maxLength", out var length) ? length.GetInt32() : 40;
        return name switch
        {
            "message" => Cut(Texts[random.Next(Texts.Length)], most),
            "state" when pattern.Length > 0 => random.Next(2) == 0 ? "completed" : "assigned,running",
            "agent" or "to" or "from" => known.One("agent", random) ?? "nobody",
            "name" when pattern.StartsWith(@"^[\p{L}", StringComparison.Ordinal) =>
                $"{(random.Next(4) == 0 ? "Ä名 . _-" : "fuzz ")}{random.Next():x}{random.Next():x}",
            _ when pattern.StartsWith("^(/", StringComparison.Ordinal) => random.Next(3) switch { 0 => "/", 1 => "/srv/a b/ü", _ => $"/tmp/{random.Next()}" },
            _ when pattern.StartsWith("^[0-9a-f]", StringComparison.Ordinal) => Convert.ToHexStringLower(Bytes(32)),
            _ when pattern.StartsWith("^[A-Za-z_]", StringComparison.Ordinal) => random.Next(2) == 0 ? "TaskAssigned" : "task_completed,AgentSpawned",
            _ when pattern.StartsWith("^[ -~]", StringComparison.Ordinal) => $"fuzz {random.Next()}",
            _ when random.Next(40) == 0 => new string('x', Math.Min(most, 70_000)),
            _ => Cut(Texts[random.Next(Texts.Length)], most),
        };
    }

    private static string Cut(string text, int most) => text.Length <= most ? text : text[..most];

    private string Instant(string name)
    {
        var future = name is "deadline" || random.Next(2) == 0;
        var at = Now.AddSeconds((future ? 3600 : -3600) + (random.NextDouble() * (future ? 1e8 : -1e8)));
        return random.Next(4) switch
        {
            0 => at.ToOffset(TimeSpan.FromHours(2)).ToString("yyyy-MM-dd'T'HH:mm:sszzz", CultureInfo.InvariantCulture),
            1 => at.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture),
            _ => at.ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'", CultureInfo.InvariantCulture),
        };
    }

    private JsonObject Members(JsonElement schema)
    {
        var made = new JsonObject();
        var required = schema.TryGetProperty("required", out var names) ? names.EnumerateArray().Select(static one => one.GetString()).ToHashSet() : [];
        foreach (var member in schema.TryGetProperty("properties", out var properties) ? properties.EnumerateObject().ToArray() : [])
        {
            if (required.Contains(member.Name) || random.Next(3) == 0)
            {
                made[member.Name] = Make(member.Value, member.Name);
            }
        }

        return made;
    }

    private JsonArray Items(JsonElement schema, string name)
    {
        var least = schema.TryGetProperty("minItems", out var min) ? min.GetInt32() : 0;
        var most = schema.TryGetProperty("maxItems", out var max) ? max.GetInt32() : 5;
        var count = random.Next(60) == 0 ? most : random.Next(least, Math.Min(most, least + 3) + 1);
        return [.. Enumerable.Range(0, count).Select(_ => Make(schema.GetProperty("items"), name))];
    }

    private JsonNode Whole(JsonElement schema)
    {
        var least = schema.TryGetProperty("minimum", out var min) ? min.GetInt64() : 0;
        var most = schema.TryGetProperty("maximum", out var max) ? max.GetInt64() : schema.GetProperty("format").GetString() == "int32" ? int.MaxValue : long.MaxValue - 1;
        return random.Next(5) switch { 0 => least, 1 => most, _ => random.NextInt64(least, Math.Min(most, least + 1000) + 1) };
    }

    private JsonNode Real(JsonElement schema)
    {
        var least = schema.TryGetProperty("exclusiveMinimum", out var min) ? min.GetDouble() + 1e-6 : 0;
        var most = schema.TryGetProperty("maximum", out var max) ? max.GetDouble() : 1e6;
        return random.Next(5) switch { 0 => least, 1 => most, 2 => 1, _ => least + (random.NextDouble() * (most - least)) };
    }

    private byte[] Bytes(int count)
    {
        var bytes = new byte[count];
        random.NextBytes(bytes);
        return bytes;
    }
}
