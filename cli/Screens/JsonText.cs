using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Townhall.Cli.Authentication;
using Townhall.Cli.Blobs;
using Townhall.Cli.Completion;
using Townhall.Cli.Configuration;
using Townhall.Cli.Events;
using Townhall.Cli.Fleets;
using Townhall.Cli.Hosting;
using Townhall.Cli.Invoking;
using Townhall.Cli.Keys;
using Townhall.Cli.LedgerChain;
using Townhall.Cli.Messages;
using Townhall.Cli.Status;
using Townhall.Cli.Tasks;
using Townhall.Cli.Watching;
using Townhall.Client;

namespace Townhall.Cli.Screens;

/// <summary>Every answer in JSON: <c>snake_case</c>, one line, letters of all languages as they are, control characters escaped.</summary>
internal static class JsonText
{
    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        TypeInfoResolver = JsonTypeInfoResolver.Combine(CliJson.Default, AnswerJson.Default),
    };

    public static string Of<T>(T value)
        where T : notnull =>
        JsonSerializer.Serialize(value, (JsonTypeInfo<T>)Options.GetTypeInfo(typeof(T)));
}

/// <summary>Documents that only <c>tt</c> writes; the others are the town's own.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(FailureDocument))]
[JsonSerializable(typeof(AgentList))]
[JsonSerializable(typeof(DetailedStatus))]
[JsonSerializable(typeof(TaskList))]
[JsonSerializable(typeof(BacklogList))]
[JsonSerializable(typeof(LimitList))]
[JsonSerializable(typeof(RemovedLimit))]
[JsonSerializable(typeof(GeneratedKey))]
[JsonSerializable(typeof(KeyList))]
[JsonSerializable(typeof(RevokedKey))]
[JsonSerializable(typeof(OutputText))]
[JsonSerializable(typeof(SavedBlob))]
[JsonSerializable(typeof(InboxList))]
[JsonSerializable(typeof(NotedResult))]
[JsonSerializable(typeof(VerifiedLedger))]
[JsonSerializable(typeof(ExportHeader))]
[JsonSerializable(typeof(ExportedLedger))]
[JsonSerializable(typeof(LedgerRow))]
[JsonSerializable(typeof(FleetReport))]
[JsonSerializable(typeof(DoctorReport))]
[JsonSerializable(typeof(SettingRow))]
[JsonSerializable(typeof(SettingList))]
[JsonSerializable(typeof(TopView))]
[JsonSerializable(typeof(HostedTown))]
[JsonSerializable(typeof(LogLine))]
[JsonSerializable(typeof(BatchOfEvents))]
[JsonSerializable(typeof(Suggestions))]
[JsonSerializable(typeof(CompletionScript))]
internal sealed partial class CliJson : JsonSerializerContext;

internal sealed record AgentList(IReadOnlyList<TownAgent> Agents, int Count);

internal sealed record TaskList(IReadOnlyList<TaskSummary> Tasks, int Count);

internal sealed record BacklogList(IReadOnlyList<BacklogTask> Backlog, int Count);

internal sealed record LimitList(IReadOnlyList<Limit> Limits, int Count);

internal sealed record RemovedLimit(bool Removed, string Key);
