using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using System.Text.RegularExpressions;

namespace Townhall.OpenApi;

/// <summary>A JSON document as YAML: block style, texts quoted as JSON quotes them wherever YAML could read them otherwise.</summary>
public static partial class Yaml
{
    private static readonly JsonSerializerOptions Relaxed = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        TypeInfoResolver = new DefaultJsonTypeInfoResolver(),
    };

    public static string Write(JsonObject document)
    {
        var text = new StringBuilder("# Made from the code by `dotnet run -c Release --project tests/OpenApi`; a test fails when the two differ.\n");
        Members(text, document, 0);
        return text.ToString();
    }

    private static void Members(StringBuilder text, JsonObject members, int depth)
    {
        foreach (var (name, value) in members)
        {
            text.Append(' ', depth * 2).Append(Scalar(JsonValue.Create(name))).Append(':');
            Value(text, value, depth + 1);
        }
    }

    private static void Value(StringBuilder text, JsonNode? value, int depth)
    {
        switch (value)
        {
            case JsonObject { Count: > 0 } members:
                text.Append('\n');
                Members(text, members, depth);
                break;
            case JsonArray { Count: > 0 } items when items.All(static one => one is JsonValue or null):
                text.Append(" [").AppendJoin(", ", items.Select(Scalar)).Append("]\n");
                break;
            case JsonArray { Count: > 0 } items:
                text.Append('\n');
                foreach (var item in items)
                {
                    Item(text, item, depth);
                }

                break;
            case JsonObject:
                text.Append(" {}\n");
                break;
            case JsonArray:
                text.Append(" []\n");
                break;
            default:
                text.Append(' ').Append(Scalar(value)).Append('\n');
                break;
        }
    }

    private static void Item(StringBuilder text, JsonNode? item, int depth)
    {
        text.Append(' ', depth * 2).Append('-');
        if (item is JsonObject { Count: > 0 } members)
        {
            // The first member stands beside the dash.
            var block = new StringBuilder();
            Members(block, members, depth + 1);
            text.Append(' ').Append(block.ToString().AsSpan((depth + 1) * 2));
        }
        else
        {
            Value(text, item, depth + 1);
        }
    }

    private static string Scalar(JsonNode? value) =>
        value is JsonValue simple && simple.TryGetValue<string>(out var words) && Plain().IsMatch(words) && !Reserved().IsMatch(words)
            ? words
            : value?.ToJsonString(Relaxed) ?? "null";

    [GeneratedRegex("^[A-Za-z_/$][A-Za-z0-9_/$.{}-]*$")]
    private static partial Regex Plain();

    // What YAML 1.1 and 1.2 read as something else than text.
    [GeneratedRegex("^(true|false|null|yes|no|on|off|y|n|~)$", RegexOptions.IgnoreCase)]
    private static partial Regex Reserved();
}
