using System.Text.Json.Serialization;

namespace Townhall.Scaler.Signal;

/// <summary>The scaling signal on the wire: first the contract's members in its order, then ours.</summary>
internal sealed record ScalingView(
    string Town,
    string Timestamp,
    long QueueDepth,
    long PendingTasks,
    long InFlightTasks,
    long ActiveAgents,
    long ColdAgents,
    long DesiredAgents,
    int MaxAgents,
    string ScalingRecommendation,
    int RecommendedWorkers,
    WorkersView Workers,
    long StartableTasks,
    double? OldestWaitingSecs,
    long AgeMs,
    string[] Reasons);

internal sealed record WorkersView(int Active, int Draining);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(ScalingView))]
internal sealed partial class ScalingJson : JsonSerializerContext;
