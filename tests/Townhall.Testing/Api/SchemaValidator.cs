using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Townhall.Testing;

/// <summary>Judges a value by the keywords of JSON Schema 2020-12 that our documents use. A keyword it does not know is a failure, never a pass.</summary>
/// <param name="document">Where references point to.</param>
public sealed partial class SchemaValidator(JsonElement document)
{
    private static readonly HashSet<string> Silent = new(StringComparer.Ordinal)
    {
        "title", "description", "default", "example", "examples", "deprecated", "contentMediaType",
    };

    private static readonly Dictionary<string, Regex> Patterns = new(StringComparer.Ordinal);

    /// <summary>What is wrong with <paramref name="value"/>, each with the place; empty when nothing is.</summary>
    /// <param name="closed">For our own answers: members that no schema names are wrong, too, and instants are in UTC.</param>
    public IReadOnlyList<string> Faults(JsonElement schema, JsonElement value, bool closed)
    {
        var faults = new List<string>();
        Judge(schema, value, "$", closed, faults);
        return faults;
    }

    /// <summary>The schema itself, or what it refers to.</summary>
    public JsonElement Resolve(JsonElement schema)
    {
        while (schema.ValueKind == JsonValueKind.Object && schema.TryGetProperty("$ref", out var reference))
        {
            schema = document;
            foreach (var part in reference.GetString()!.Split('/').Skip(1))
            {
                schema = schema.GetProperty(part);
            }
        }

        return schema;
    }

    private void Judge(JsonElement schema, JsonElement value, string at, bool closed, List<string> faults)
    {
        schema = Resolve(schema);
        if (closed && value.ValueKind == JsonValueKind.Object)
        {
            var known = new HashSet<string>(StringComparer.Ordinal);
            if (Names(schema, known))
            {
                faults.AddRange(value.EnumerateObject().Where(one => !known.Contains(one.Name)).Select(one => $"{at}.{one.Name} is not described"));
            }
        }

        foreach (var keyword in schema.EnumerateObject())
        {
            if (!Holds(keyword.Name, keyword.Value, schema, value, at, closed, faults))
            {
                faults.Add($"{at} breaks {keyword.Name} {Short(keyword.Value)}: {Short(value)}");
            }
        }
    }

    /// <summary>All names that a schema and its parts give to members; false when it allows any.</summary>
    private bool Names(JsonElement schema, HashSet<string> known)
    {
        schema = Resolve(schema);
        var named = false;
        if (schema.TryGetProperty("properties", out var properties))
        {
            known.UnionWith(properties.EnumerateObject().Select(static one => one.Name));
            named = true;
        }

        if (schema.TryGetProperty("allOf", out var all))
        {
            foreach (var one in all.EnumerateArray())
            {
                named |= Names(one, known);
            }
        }

        return named && !(schema.TryGetProperty("additionalProperties", out var others) && others.ValueKind == JsonValueKind.Object);
    }

    private bool Holds(string keyword, JsonElement with, JsonElement schema, JsonElement value, string at, bool closed, List<string> faults)
    {
        switch (keyword)
        {
            case "type":
                return with.ValueKind == JsonValueKind.Array ? with.EnumerateArray().Any(one => IsOf(one.GetString()!, value)) : IsOf(with.GetString()!, value);
            case "enum":
                return with.EnumerateArray().Any(one => JsonElement.DeepEquals(one, value));
            case "const":
                return JsonElement.DeepEquals(with, value);
            case "required":
                return value.ValueKind != JsonValueKind.Object || with.EnumerateArray().All(one => value.TryGetProperty(one.GetString()!, out _));
            case "properties":
                if (value.ValueKind == JsonValueKind.Object)
                {
                    foreach (var member in value.EnumerateObject())
                    {
                        if (with.TryGetProperty(member.Name, out var of))
                        {
                            Judge(of, member.Value, $"{at}.{member.Name}", closed, faults);
                        }
                    }
                }

                return true;
            case "additionalProperties" when with.ValueKind is JsonValueKind.False or JsonValueKind.True:
                return with.ValueKind == JsonValueKind.True || value.ValueKind != JsonValueKind.Object
                    || value.EnumerateObject().All(one => schema.TryGetProperty("properties", out var named) && named.TryGetProperty(one.Name, out _));
            case "additionalProperties":
                foreach (var member in value.ValueKind == JsonValueKind.Object ? value.EnumerateObject().ToArray() : [])
                {
                    if (!schema.TryGetProperty("properties", out var named) || !named.TryGetProperty(member.Name, out _))
                    {
                        Judge(with, member.Value, $"{at}.{member.Name}", closed, faults);
                    }
                }

                return true;
            case "items":
                var index = 0;
                foreach (var item in value.ValueKind == JsonValueKind.Array ? value.EnumerateArray().ToArray() : [])
                {
                    Judge(with, item, $"{at}[{index++}]", closed, faults);
                }

                return true;
            case "allOf":
                foreach (var part in with.EnumerateArray())
                {
                    // Closed only as a whole: each part knows its own members.
                    Judge(part, value, at, closed: false, faults);
                }

                return true;
            case "anyOf":
                return with.EnumerateArray().Any(one => Faults(one, value, closed).Count == 0);
            case "$ref":
                return true;    // followed by Resolve
            default:
                return keyword.StartsWith("x-", StringComparison.Ordinal) || Silent.Contains(keyword) || (value.ValueKind switch
                {
                    JsonValueKind.Number => Number(keyword, with, value.GetDouble()),
                    JsonValueKind.String => Text(keyword, with, value.GetString()!, closed),
                    JsonValueKind.Array => Items(keyword, with, value.GetArrayLength()),
                    _ => null,
                } ?? (IsKnown(keyword) ? true : throw new InvalidOperationException($"The schema keyword {keyword} at {at} is not known to the tests' validator.")));
        }
    }

    private static bool IsOf(string type, JsonElement value) => type switch
    {
        "object" => value.ValueKind == JsonValueKind.Object,
        "array" => value.ValueKind == JsonValueKind.Array,
        "string" => value.ValueKind == JsonValueKind.String,
        "boolean" => value.ValueKind is JsonValueKind.True or JsonValueKind.False,
        "null" => value.ValueKind == JsonValueKind.Null,
        "integer" => value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out _),
        "number" => value.ValueKind == JsonValueKind.Number,
        _ => throw new InvalidOperationException($"There is no JSON type {type}."),
    };

    private static bool? Number(string keyword, JsonElement with, double value) => keyword switch
    {
        "minimum" => value >= with.GetDouble(),
        "maximum" => value <= with.GetDouble(),
        "exclusiveMinimum" => value > with.GetDouble(),
        "exclusiveMaximum" => value < with.GetDouble(),
        "format" => with.GetString() switch
        {
            "int32" => value is >= int.MinValue and <= int.MaxValue,
            // A format says nothing about a value of another type; `type` does.
            "int64" or "double" or "uuid" or "date-time" => true,
            var other => throw new InvalidOperationException($"The number format {other} is not known to the tests' validator."),
        },
        _ => null,
    };

    private static bool? Text(string keyword, JsonElement with, string value, bool utc) => keyword switch
    {
        "minLength" => new StringInfo(value).LengthInTextElements >= with.GetInt32() || value.Length >= with.GetInt32(),
        // Code points, as JSON Schema counts them.
        "maxLength" => value.EnumerateRunes().Count() <= with.GetInt32(),
        "pattern" => Pattern(with.GetString()!).IsMatch(value),
        "format" => with.GetString() switch
        {
            "int32" or "int64" or "double" => true,
            "uuid" => Guid.TryParseExact(value, "D", out _),
            // What we say ourselves is always in UTC.
            "date-time" => Instant().IsMatch(value) && (!utc || value.EndsWith('Z')) && DateTimeOffset.TryParse(value, CultureInfo.InvariantCulture, out _),
            var other => throw new InvalidOperationException($"The text format {other} is not known to the tests' validator."),
        },
        _ => null,
    };

    private static bool? Items(string keyword, JsonElement with, int count) => keyword switch
    {
        "minItems" => count >= with.GetInt32(),
        "maxItems" => count <= with.GetInt32(),
        _ => null,
    };

    /// <summary>Known keywords say nothing about values of other types.</summary>
    private static bool IsKnown(string keyword) => keyword is "minimum" or "maximum" or "exclusiveMinimum" or "exclusiveMaximum" or "format"
        or "minLength" or "maxLength" or "pattern" or "minItems" or "maxItems";

    private static Regex Pattern(string pattern)
    {
        lock (Patterns)
        {
            return Patterns.TryGetValue(pattern, out var known) ? known
                : Patterns[pattern] = new Regex(pattern, RegexOptions.CultureInvariant, TimeSpan.FromSeconds(5));
        }
    }

    [GeneratedRegex(@"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$", RegexOptions.ECMAScript)]
    private static partial Regex Instant();

    private static string Short(JsonElement value)
    {
        var text = value.GetRawText();
        return text.Length <= 160 ? text : text[..160] + "…";
    }
}
