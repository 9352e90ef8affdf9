using System.Text.Json;
using Townhall.ServiceDefaults.Authentication;
using Townhall.Testing;
using YamlDotNet.RepresentationModel;

namespace Townhall.OpenApi.Tests;

public sealed class DescriptionTests
{
    [Fact]
    public void The_description_is_what_the_code_says()
    {
        foreach (var (path, text) in ApiFiles.Describe())
        {
            Assert.True(
                File.Exists(path) && File.ReadAllText(path) == text,
                $"{Path.GetFileName(path)} is not what the code says. Run: dotnet run -c Release --project tests/OpenApi");
        }
    }

    [Fact]
    public void Both_files_say_the_same()
    {
        var folder = Path.Combine(Programs.Repository(), "docs", "openapi");
        using var reader = File.OpenText(Path.Combine(folder, "townhall-v1.yaml"));
        var yaml = new YamlStream();
        yaml.Load(reader);
        using var json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "townhall-v1.json")));
        Same(json.RootElement, yaml.Documents[0].RootNode, "$");
    }

    [Fact]
    public void Every_operation_has_a_name_of_its_own_and_says_what_it_does_and_how_it_is_refused()
    {
        var operations = ApiDocument.Current.Operations;
        Assert.Equal(operations.Count, operations.Select(static one => one.Id).Distinct(StringComparer.Ordinal).Count());
        foreach (var operation in operations)
        {
            Assert.True(operation.Description.GetProperty("summary").GetString()!.Length > 5, $"{operation.Id} says nothing");
            var statuses = operation.Description.GetProperty("responses").EnumerateObject().Select(static one => one.Name).ToArray();
            Assert.Contains(statuses, static one => one.StartsWith('2'));
            Assert.Contains("503", statuses);
        }
    }

    [Fact]
    public void Every_operation_demands_a_scope_or_is_one_that_anybody_may_call()
    {
        foreach (var operation in ApiDocument.Current.Operations)
        {
            var scoped = operation.Description.TryGetProperty("x-scope", out var scope);
            Assert.True(scoped != RoutePolicies.Anonymous.Contains(operation.Path), $"{operation.Id} {(scoped ? "demands a scope" : "demands nothing")}");
            Assert.Equal(scoped ? 3 : 0, operation.Description.GetProperty("security").GetArrayLength());
            Assert.True(!scoped || (Scopes.All.Contains(scope.GetString()) && operation.Description.GetProperty("responses").TryGetProperty("403", out _)));
        }
    }

    [Fact]
    public void Every_example_is_allowed_by_its_schema()
    {
        var api = ApiDocument.Current;
        var seen = 0;
        foreach (var operation in api.Operations)
        {
            foreach (var content in Contents(operation.Description))
            {
                if (content.TryGetProperty("example", out var example))
                {
                    seen++;
                    Assert.Empty(api.Validator.Faults(content.GetProperty("schema"), example, closed: true).Select(fault => $"{operation.Id}: {fault}"));
                }
            }
        }

        Assert.True(seen > 40, $"Only {seen} examples were found.");
    }

    [Fact]
    public void A_keyword_that_the_validator_does_not_know_is_a_failure()
    {
        using var schema = JsonDocument.Parse("""{"type":"string","unheardOf":1}""");
        using var value = JsonDocument.Parse("\"x\"");
        Assert.Throws<InvalidOperationException>(() => new SchemaValidator(schema.RootElement).Faults(schema.RootElement, value.RootElement, closed: false));
    }

    [Theory]
    [InlineData("""{"type":"integer","minimum":1,"maximum":3}""", "2", "4")]
    [InlineData("""{"type":"integer"}""", "2", "2.5")]
    [InlineData("""{"type":["string","null"]}""", "null", "1")]
    [InlineData("""{"type":"number","exclusiveMinimum":0}""", "0.1", "0")]
    [InlineData("""{"type":"string","maxLength":2}""", "\"💥💥\"", "\"abc\"")]
    [InlineData("""{"type":"string","pattern":"^a+$"}""", "\"aa\"", "\"ab\"")]
    [InlineData("""{"type":"string","format":"uuid"}""", "\"01890a5d-ac96-774b-bcce-b302099a8057\"", "\"01890a5dac96774bbcceb302099a8057\"")]
    [InlineData("""{"type":"string","format":"date-time"}""", "\"2027-01-01T00:00:00Z\"", "\"2027-01-01T00:00:00\"")]
    [InlineData("""{"type":"string","enum":["a","b"]}""", "\"b\"", "\"c\"")]
    [InlineData("""{"const":5}""", "5", "6")]
    [InlineData("""{"type":"array","items":{"type":"integer"},"minItems":1,"maxItems":2}""", "[1,2]", "[]")]
    [InlineData("""{"type":"array","items":{"type":"integer"}}""", "[1,2]", "[1,\"2\"]")]
    [InlineData("""{"type":"object","required":["a"],"properties":{"a":{"type":"integer"}},"additionalProperties":false}""", """{"a":1}""", """{"a":1,"b":2}""")]
    [InlineData("""{"type":"object","required":["a"],"properties":{"a":{"type":"integer"}}}""", """{"a":1}""", "{}")]
    [InlineData("""{"type":"object","properties":{"a":{"type":"integer"}}}""", """{"a":1}""", """{"b":2}""")]
    [InlineData("""{"type":"object","additionalProperties":{"type":"integer"}}""", """{"x":1}""", """{"x":"1"}""")]
    [InlineData("""{"allOf":[{"properties":{"a":{"type":"integer"}}},{"properties":{"b":{"const":1}}}]}""", """{"a":1,"b":1}""", """{"a":1,"b":2}""")]
    [InlineData("""{"anyOf":[{"type":"integer"},{"type":"null"}]}""", "null", "\"x\"")]
    public void The_validator_tells_right_from_wrong(string schema, string right, string wrong)
    {
        using var of = JsonDocument.Parse(schema);
        using var good = JsonDocument.Parse(right);
        using var bad = JsonDocument.Parse(wrong);
        var validator = new SchemaValidator(of.RootElement);
        Assert.Empty(validator.Faults(of.RootElement, good.RootElement, closed: true));
        Assert.NotEmpty(validator.Faults(of.RootElement, bad.RootElement, closed: true));
    }

    private static IEnumerable<JsonElement> Contents(JsonElement operation)
    {
        var holders = operation.GetProperty("responses").EnumerateObject().Select(static one => one.Value);
        return (operation.TryGetProperty("requestBody", out var body) ? holders.Append(body) : holders)
            .Where(static one => one.TryGetProperty("content", out _))
            .SelectMany(static one => one.GetProperty("content").EnumerateObject().Select(static media => media.Value));
    }

    private static void Same(JsonElement json, YamlNode yaml, string at)
    {
        switch (json.ValueKind)
        {
            case JsonValueKind.Object:
                var map = Assert.IsType<YamlMappingNode>(yaml);
                Assert.Equal(json.EnumerateObject().Select(static one => one.Name), map.Children.Keys.Select(static one => ((YamlScalarNode)one).Value));
                foreach (var member in json.EnumerateObject())
                {
                    Same(member.Value, map.Children[new YamlScalarNode(member.Name)], $"{at}.{member.Name}");
                }

                break;
            case JsonValueKind.Array:
                var list = Assert.IsType<YamlSequenceNode>(yaml);
                Assert.Equal(json.GetArrayLength(), list.Children.Count);
                for (var i = 0; i < list.Children.Count; i++)
                {
                    Same(json[i], list.Children[i], $"{at}[{i}]");
                }

                break;
            case JsonValueKind.String:
                Assert.True(((YamlScalarNode)yaml).Value == json.GetString(), $"{at} is {yaml} in YAML");
                break;
            default:
                Assert.True(((YamlScalarNode)yaml).Value == json.GetRawText(), $"{at} is {yaml} in YAML");
                break;
        }
    }
}
