using System.ComponentModel.DataAnnotations;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Townhall.Api.Text;

namespace Townhall.OpenApi.Describing;

/// <summary>JSON Schemas of the types on the wire, by the contracts with which the services really read and write them.</summary>
internal sealed class SchemaWriter(XmlDocs docs)
{
    private const string Controls = @"\u0000-\u001f\u007f-\u009f";
    private const string ControlsButLines = @"\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f";
    private static readonly NullabilityInfoContext Nullability = new();
    private readonly Dictionary<string, Type> _owners = new(StringComparer.Ordinal);

    /// <summary>Schemas by name, of every record that was asked for.</summary>
    public SortedDictionary<string, JsonNode> Components { get; } = new(StringComparer.Ordinal);

    /// <summary>The schema of a type: a reference for records, in place for everything else.</summary>
    /// <param name="reads">We read it: then nothing undescribed is taken, and what has a default may be left out.</param>
    public JsonObject Of(Type type, JsonSerializerOptions json, bool reads = false)
    {
        var bare = Nullable.GetUnderlyingType(type) ?? type;
        if (Simple(bare) is { } simple)
        {
            return simple;
        }

        var contract = json.GetTypeInfo(bare);
        return contract.Kind switch
        {
            JsonTypeInfoKind.Enumerable => new() { ["type"] = "array", ["items"] = Of(contract.ElementType!, json, reads) },
            JsonTypeInfoKind.Dictionary => new() { ["type"] = "object", ["additionalProperties"] = Of(contract.ElementType!, json, reads) },
            JsonTypeInfoKind.Object => Record(contract, json, reads),
            _ => throw new InvalidOperationException($"{bare} is not described: say in SchemaWriter what it is on the wire."),
        };
    }

    /// <summary>A schema by hand, for what no type describes.</summary>
    public JsonObject Named(string name, JsonObject schema)
    {
        Components[name] = schema;
        return new() { ["$ref"] = $"#/components/schemas/{name}" };
    }

    /// <summary>What the attributes of a parameter add to its schema.</summary>
    public static void Bound(JsonObject schema, ParameterInfo declared)
    {
        foreach (var attribute in declared.GetCustomAttributes())
        {
            var target = attribute is not (MaxLengthAttribute or MinLengthAttribute or LengthAttribute) && schema["items"] is JsonObject items ? items : schema;
            switch (attribute)
            {
                case RangeAttribute range:
                    target[range.MinimumIsExclusive ? "exclusiveMinimum" : "minimum"] = Number(range.Minimum);
                    if (range.Maximum is not double and not int or int and < int.MaxValue or double and < 9e18)
                    {
                        target["maximum"] = Number(range.Maximum);
                    }

                    break;
                case PlainAttribute plain:
                    var (all, shown) = plain.Lines ? (ControlsButLines, "tabs and line breaks are the only control characters") : (Controls, "no control characters");
                    target["minLength"] = 1;
                    target["maxLength"] = plain.Characters > 0 ? plain.Characters : plain.BytesMost;
                    target["pattern"] = $"^[^{all}]*[^\\s{all}][^{all}]*$";
                    Add(target, $"Not blank, {shown}, at most {(plain.Characters > 0 ? $"{plain.Characters} characters" : $"{plain.BytesMost} bytes")} of UTF-8.");
                    break;
                case AbsolutePathAttribute:
                    target["maxLength"] = 4096;
                    target["pattern"] = $@"^(/(?!\.\.?(/|$))[^/{Controls}]+)+/?$|^/$";
                    break;
                case RegularExpressionAttribute pattern:
                    target["pattern"] = pattern.Pattern;
                    break;
                case AllowedValuesAttribute allowed:
                    target["enum"] = new JsonArray([.. allowed.Values.Select(static one => JsonValue.Create((string)one!))]);
                    break;
                case LengthAttribute length:
                    (target["minItems"], target["maxItems"]) = (length.MinimumLength, length.MaximumLength);
                    break;
                case MaxLengthAttribute most:
                    target["maxItems"] = most.Length;
                    break;
                case MinLengthAttribute least:
                    target["minItems"] = least.Length;
                    break;
            }
        }
    }

    public static string Snake(string name) => JsonNamingPolicy.SnakeCaseLower.ConvertName(name);

    /// <summary>Makes a schema allow null as well.</summary>
    public static JsonObject OrNull(JsonObject schema)
    {
        if (schema.ContainsKey("$ref"))
        {
            var description = schema["description"];
            schema.Remove("description");
            var either = new JsonObject { ["anyOf"] = new JsonArray(schema, new JsonObject { ["type"] = "null" }) };
            if (description is not null)
            {
                either["description"] = description.DeepClone();
            }

            return either;
        }

        schema["type"] = new JsonArray(schema["type"]!.DeepClone(), "null");
        if (schema["enum"] is JsonArray choices)
        {
            choices.Add((JsonNode?)null);
        }

        return schema;
    }

    private static JsonObject? Simple(Type type) =>
        type == typeof(string) ? new() { ["type"] = "string" }
        : type == typeof(bool) ? new() { ["type"] = "boolean" }
        : type == typeof(int) || type == typeof(short) ? new() { ["type"] = "integer", ["format"] = "int32" }
        : type == typeof(long) ? new() { ["type"] = "integer", ["format"] = "int64" }
        : type == typeof(double) ? new() { ["type"] = "number", ["format"] = "double" }
        : type == typeof(Guid) ? new() { ["type"] = "string", ["format"] = "uuid" }
        : type == typeof(DateTime) || type == typeof(DateTimeOffset) ? new() { ["type"] = "string", ["format"] = "date-time" }
        : type == typeof(byte[]) ? new() { ["type"] = "string", ["contentMediaType"] = "application/octet-stream" }
        : type == typeof(JsonElement) ? []
        : null;

    private JsonObject Record(JsonTypeInfo contract, JsonSerializerOptions json, bool reads)
    {
        var name = contract.Type.Name.EndsWith("View", StringComparison.Ordinal) ? contract.Type.Name[..^4] : contract.Type.Name;
        if (!_owners.TryAdd(name, contract.Type))
        {
            return _owners[name] == contract.Type
                ? new() { ["$ref"] = $"#/components/schemas/{name}" }
                : throw new InvalidOperationException($"Both {_owners[name]} and {contract.Type} would be the schema {name}: rename one.");
        }

        var properties = new JsonObject();
        var required = new JsonArray();
        var parameters = contract.Type.GetConstructors(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance)
            .MaxBy(static one => one.GetParameters().Length)!.GetParameters();
        foreach (var member in contract.Properties)
        {
            var declared = contract.Type.GetProperties(BindingFlags.Public | BindingFlags.Instance).First(one => Snake(one.Name) == member.Name);
            var parameter = parameters.FirstOrDefault(one => one.Name == declared.Name);
            if (reads && parameter is null)
            {
                throw new InvalidOperationException($"{contract.Type.Name}.{declared.Name} would be a member that nobody can set: make it internal.");
            }

            var optional = reads && parameter is { HasDefaultValue: true } && parameter.GetCustomAttribute<RequiredAttribute>() is null;
            var nullable = reads ? optional && MayBeNull(declared) : MayBeNull(declared);
            var type = parameter?.GetCustomAttribute<ReadsAsAttribute>()?.Type ?? declared.PropertyType;
            var schema = Of(type, json, reads);
            if (docs.Member(contract.Type, declared.Name) is { } said)
            {
                Add(schema, said);
            }

            if (parameter is not null)
            {
                Bound(schema, parameter);
            }

            if (schema["items"] is JsonObject items && declared.PropertyType is { IsArray: true } array && !array.GetElementType()!.IsValueType
                && Nullability.Create(declared).ElementType?.ReadState == NullabilityState.Nullable && !reads)
            {
                schema["items"] = OrNull((JsonObject)items.DeepClone());
            }

            properties[member.Name] = nullable || type != declared.PropertyType ? OrNull(schema) : schema;
            var never = declared.GetCustomAttribute<JsonIgnoreAttribute>() is { Condition: JsonIgnoreCondition.WhenWritingNull };
            if (!optional && !never)
            {
                required.Add(member.Name);
            }
        }

        var written = new JsonObject { ["type"] = "object" };
        if (docs.Summary(contract.Type) is { } summary)
        {
            written["description"] = summary;
        }

        if (required.Count > 0)
        {
            written["required"] = required;
        }

        written["properties"] = properties;
        if (reads)
        {
            written["additionalProperties"] = false;
        }

        Components[name] = written;
        return new() { ["$ref"] = $"#/components/schemas/{name}" };
    }

    private static bool MayBeNull(PropertyInfo property) =>
        property.PropertyType.IsValueType
            ? Nullable.GetUnderlyingType(property.PropertyType) is not null
            : Nullability.Create(property).ReadState == NullabilityState.Nullable;

    private static void Add(JsonObject schema, string words) =>
        schema["description"] = schema["description"] is { } before ? $"{before} {words}" : words;

    private static JsonNode Number(object number) => number switch
    {
        int whole => whole,
        double real when real == Math.Floor(real) && Math.Abs(real) < 1e15 => (long)real,
        double real => real,
        _ => throw new InvalidOperationException($"A bound of {number.GetType()} is not described."),
    };
}
