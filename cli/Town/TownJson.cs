using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Townhall.Cli.Events;
using Townhall.Cli.Fleets;
using Townhall.Cli.LedgerChain;
using Townhall.Cli.Tasks;

namespace Townhall.Cli.Town;

/// <summary>Every JSON document <c>tt</c> reads or writes. Members it does not know are left alone: towns may be newer.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true,
    MaxDepth = 16)]
[JsonSerializable(typeof(TownStatus))]
[JsonSerializable(typeof(ScalingReading))]
[JsonSerializable(typeof(AgentPage))]
[JsonSerializable(typeof(AgentList))]
[JsonSerializable(typeof(SpawnedAgent))]
[JsonSerializable(typeof(AssignedTask))]
[JsonSerializable(typeof(TaskRow))]
[JsonSerializable(typeof(ExplanationRow))]
[JsonSerializable(typeof(OutputText))]
[JsonSerializable(typeof(LedgerPage))]
[JsonSerializable(typeof(CheckpointPage))]
[JsonSerializable(typeof(LedgerKeys))]
[JsonSerializable(typeof(ExportHeader))]
[JsonSerializable(typeof(ExportedLedger))]
[JsonSerializable(typeof(EventRow))]
[JsonSerializable(typeof(VerifiedLedger))]
[JsonSerializable(typeof(FleetReport))]
internal sealed partial class TownJson : JsonSerializerContext
{
    /// <summary>For answers on a terminal: letters of all languages as they are, control characters escaped all the same.</summary>
    public static TownJson Readable { get; } = new(new JsonSerializerOptions
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    });
}

/// <summary>What is sent: what is not said is left to the town.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(NewAgent))]
[JsonSerializable(typeof(NewAssignment))]
internal sealed partial class RequestJson : JsonSerializerContext;

/// <summary>A refusal may lack any of its members, in particular when something in between answered.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(ProblemDocument))]
internal sealed partial class ProblemJson : JsonSerializerContext;
