using System.Text.Json.Serialization;
using Townhall.Api.Agents;

namespace Townhall.Api.Town;

internal sealed record TownView(string Name, string Root, string RedisUrl);

/// <summary>Tasks by state, exact in one snapshot.</summary>
internal sealed record TaskCounts(
    long Pending, long Assigned, long Running, long Waiting, long Completed, long Failed, long Cancelled, long Dead);

/// <summary>A snapshot of the database that keeps dead rows; <c>alarm</c> when it is held longer than the town's limit.</summary>
internal sealed record HeldSnapshotView(double AgeSecs, DateTime Since, string Role, string Application, string State, bool Alarm);

internal sealed record StatusView(
    string Name, string Root, string RedisUrl, long AgentCount, IReadOnlyList<AgentView> Agents, TaskCounts Tasks, int Workers,
    HeldSnapshotView? OldestSnapshot);

internal sealed record HealthView(
    string Status, string Version, long UptimeSecs, string Mode, string DefaultProvider, bool CognitionLive, string Ledger, bool Shutdown);

/// <summary>Both readiness contracts at once; 503 names what is away.</summary>
internal sealed record ReadyView(
    string Status, string Redis, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] double? RedisLatencyMs,
    string Database, string Dispatcher, string Town, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Detail);
