using System.Text.Json.Serialization;

namespace Townhall.Client;

/// <summary>What towns answer. Members it does not know are left alone: towns may be newer.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true,
    MaxDepth = 64)]
[JsonSerializable(typeof(AddedTask))]
[JsonSerializable(typeof(AgentPage))]
[JsonSerializable(typeof(AgentTask))]
[JsonSerializable(typeof(AssignedBacklog))]
[JsonSerializable(typeof(AssignedTask))]
[JsonSerializable(typeof(BacklogPage))]
[JsonSerializable(typeof(BatchAnswer))]
[JsonSerializable(typeof(BulkDraft))]
[JsonSerializable(typeof(BulkProgress))]
[JsonSerializable(typeof(ControlledAgent))]
[JsonSerializable(typeof(CheckpointPage))]
[JsonSerializable(typeof(Explanation))]
[JsonSerializable(typeof(Inbox))]
[JsonSerializable(typeof(KeyPage))]
[JsonSerializable(typeof(LedgerKeys))]
[JsonSerializable(typeof(LedgerPage))]
[JsonSerializable(typeof(Limit))]
[JsonSerializable(typeof(LimitHolders))]
[JsonSerializable(typeof(LimitPage))]
[JsonSerializable(typeof(MadeKey))]
[JsonSerializable(typeof(NotedSteering))]
[JsonSerializable(typeof(OrphanTasks))]
[JsonSerializable(typeof(PrunedAgents))]
[JsonSerializable(typeof(ReclaimedTasks))]
[JsonSerializable(typeof(RecoveredAgents))]
[JsonSerializable(typeof(RemovedMessage))]
[JsonSerializable(typeof(RemovedTask))]
[JsonSerializable(typeof(ScalingReading))]
[JsonSerializable(typeof(SentMessage))]
[JsonSerializable(typeof(SpawnedAgent))]
[JsonSerializable(typeof(SteeringNotes))]
[JsonSerializable(typeof(StoredBlob))]
[JsonSerializable(typeof(TaskPage))]
[JsonSerializable(typeof(Tenant))]
[JsonSerializable(typeof(TownAgent))]
[JsonSerializable(typeof(TownEvent))]
[JsonSerializable(typeof(TownHealth))]
[JsonSerializable(typeof(TownInfo))]
[JsonSerializable(typeof(TownMessage))]
[JsonSerializable(typeof(TownReadiness))]
[JsonSerializable(typeof(TownStatus))]
public sealed partial class AnswerJson : JsonSerializerContext;

/// <summary>What is sent: what is not said is left to the town.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(AgentReference))]
[JsonSerializable(typeof(BulkRequest))]
[JsonSerializable(typeof(KeyRotation))]
[JsonSerializable(typeof(NewAgent))]
[JsonSerializable(typeof(NewAssignment))]
[JsonSerializable(typeof(NewBacklogTask))]
[JsonSerializable(typeof(NewBatch))]
[JsonSerializable(typeof(NewKey))]
[JsonSerializable(typeof(NewLimit))]
[JsonSerializable(typeof(NewMessage))]
[JsonSerializable(typeof(NewShare))]
[JsonSerializable(typeof(NewSteering))]
[JsonSerializable(typeof(OrphansRequest))]
[JsonSerializable(typeof(PauseRequest))]
[JsonSerializable(typeof(PruneRequest))]
[JsonSerializable(typeof(ReclaimRequest))]
[JsonSerializable(typeof(RetryRequest))]
internal sealed partial class RequestJson : JsonSerializerContext;

internal sealed record NewSteering(string Text);

internal sealed record PauseRequest(bool? Freeze);

internal sealed record RetryRequest(bool Force);

/// <summary>A refusal as the town words it (RFC 9457). Any member may be missing, in particular when something in between answered.</summary>
internal sealed record ProblemDocument(string? Code = null, string? Detail = null, string? Title = null, string? TraceId = null);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(ProblemDocument))]
internal sealed partial class ProblemJson : JsonSerializerContext;
