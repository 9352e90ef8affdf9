using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;
using Townhall.Contracts.Workers;

namespace Townhall.Docs.Tests;

/// <summary>The examples of docs/worker-protocol.md are the protocol: each is read by the code that workers use.</summary>
public sealed partial class WorkerProtocolTests
{
    private const string Page = "docs/worker-protocol.md";

    /// <summary>The product's own reader, which also refuses members that the records do not have.</summary>
    private static readonly JsonSerializerOptions Strict = new(WorkerJson.Default.Options)
    {
        TypeInfoResolver = WorkerJson.Default,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    };

    public static TheoryData<string, string> Examples()
    {
        var examples = new TheoryData<string, string>();
        foreach (Match example in Example().Matches(Repository.Read(Page)))
        {
            examples.Add(example.Groups["record"].Value, example.Groups["json"].Value);
        }

        return examples;
    }

    [Theory]
    [MemberData(nameof(Examples))]
    public void An_example_is_what_the_code_reads_and_writes(string record, string json)
    {
        var type = typeof(WorkerJson).Assembly.GetType($"Townhall.Contracts.Workers.{record}");
        Assert.True(type is not null, $"{Page} names {record}, which is no record of the protocol.");
        var value = JsonSerializer.Deserialize(json, Strict.GetTypeInfo(type));
        var written = JsonSerializer.SerializeToNode(value, Strict.GetTypeInfo(type));
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(json), written), $"{record} is written as {written}");
    }

    [Fact]
    public void Every_block_of_JSON_has_a_marker_and_every_request_and_reply_an_example()
    {
        var page = Repository.Read(Page);
        Assert.Equal(page.Split("```json").Length - 1, Example().Count(page));
        var shown = Example().Matches(page).Select(static example => example.Groups["record"].Value).ToHashSet();
        var records = typeof(WorkerJson).GetCustomAttributesData()
            .Where(static attribute => attribute.AttributeType == typeof(JsonSerializableAttribute))
            .Select(static attribute => ((Type)attribute.ConstructorArguments[0].Value!).Name)
            .Where(static name => name.EndsWith("Request", StringComparison.Ordinal) || name.EndsWith("Reply", StringComparison.Ordinal));
        Assert.DoesNotContain(records, record => !shown.Contains(record));
    }

    [Fact]
    public void Every_verdict_and_outcome_is_explained()
    {
        var page = Repository.Read(Page);
        var words = new[] { typeof(Verdicts), typeof(AttemptOutcomes) }
            .SelectMany(static type => type.GetFields(BindingFlags.Public | BindingFlags.Static))
            .Select(static field => (string)field.GetRawConstantValue()!);
        Assert.DoesNotContain(words, word => !page.Contains($"`{word}`", StringComparison.Ordinal));
    }

    [GeneratedRegex("""<!-- WorkerJson: (?<record>\w+) -->\s*```json\n(?<json>.*?)```""", RegexOptions.Singleline)]
    private static partial Regex Example();
}
