using System.Text.Json.Serialization;
using Townhall.Api.Agents;
using Townhall.Api.Caching;

namespace Townhall.Api.Town;

internal sealed record TownView(string Name, string Root, string RedisUrl);

/// <summary>Tasks by state, exact in one snapshot.</summary>
internal sealed record TaskCounts(
    long Pending, long Assigned, long Running, long Waiting, long Completed, long Failed, long Cancelled, long Dead);

/// <summary>A snapshot of the database that keeps dead rows; <c>alarm</c> when it is held longer than the town's limit.</summary>
internal sealed record HeldSnapshotView(double AgeSecs, DateTime Since, string Role, string Application, string State, bool Alarm);

/// <param name="AgentCount">Exact up to 1000; beyond that counted at most every ten seconds.</param>
/// <param name="Agents">The first 1000 in order of their ids.</param>
/// <param name="NextCursor">For <c>GET /v1/agents</c>, which has the others; null when these are all.</param>
/// <param name="Deep">With <c>deep=true</c>: what is going on; else left out.</param>
/// <param name="Troubles">What keeps the town from its work or endangers it, with the reasons that <c>/ready</c> does not tell; empty when nothing does.</param>
internal sealed record StatusView(
    string Name, string Root, string RedisUrl, long AgentCount, IReadOnlyList<AgentView> Agents, TaskCounts Tasks, int Workers, string? NextCursor,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] DeepStatus? Deep,
    HeldSnapshotView? OldestSnapshot, IReadOnlyList<string> Troubles) : ITagged
{
    // A snapshot grows older with every look: that alone is no news.
    object ITagged.ForTag() => this with { OldestSnapshot = OldestSnapshot is { } held ? held with { AgeSecs = 0 } : null };
}

/// <summary>What is going on, each list bounded.</summary>
/// <param name="Running">What workers hold, oldest first; at most 500.</param>
/// <param name="Workers">Workers that take or finish work; at most 500.</param>
internal sealed record DeepStatus(IReadOnlyList<RunningTask> Running, IReadOnlyList<WorkerStatus> Workers);

/// <param name="Description">The first 200 characters.</param>
/// <param name="LeaseUntil">When its worker must have said that it lives.</param>
internal sealed record RunningTask(
    Guid TaskId, string Description, Guid AgentId, string? AgentName, int Attempt, DateTime? LeasedAt, DateTime LeaseUntil, Guid WorkerId);

/// <param name="Holding">Tasks it holds now.</param>
internal sealed record WorkerStatus(
    Guid Id, string Name, string Host, string State, int Slots, long Holding, string Version, string Sandbox, DateTime RegisteredAt, DateTime SeenAt);

internal sealed record HealthView(
    string Status, string Version, long UptimeSecs, string Mode, string DefaultProvider, bool CognitionLive, string Ledger, bool Shutdown);

/// <summary>Both readiness contracts at once; 503 names what is away.</summary>
/// <param name="Detail">Which part does not stand, in fixed words; left out when all do.</param>
internal sealed record ReadyView(
    string Status, string Redis, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] double? RedisLatencyMs,
    string Database, string Dispatcher, string Town, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Detail)
{
    public static ReadyView Of(Standing standing, string town)
    {
        var latency = standing.RedisLatency;
        var ready = standing.Words is null;
        return new(
            ready ? "ready" : "not_ready", latency is null ? "disconnected" : "connected",
            latency is { } took ? Math.Round(took.TotalMilliseconds, 3) : null, standing.Stored ? "connected" : "disconnected",
            // No mission outside its end: what the contract calls idle.
            ready ? "idle" : "unknown", town, standing.Words);
    }
}
