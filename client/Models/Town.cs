namespace Townhall.Client;

public sealed record TaskCounts(
    long Pending, long Assigned, long Running, long Waiting, long Completed, long Failed, long Cancelled, long Dead);

public sealed record TownInfo(string Name, string Root, string RedisUrl);

/// <summary>A snapshot of the town's database that keeps dead rows; <c>Alarm</c> when it is held longer than the town's limit.</summary>
public sealed record HeldSnapshot(double AgeSecs, DateTime Since, string Role, string Application, string State, bool Alarm);

/// <param name="Agents">The first of them.</param>
public sealed record TownStatus(
    string Name, string Root, long AgentCount, TownAgent[] Agents, TaskCounts Tasks, int Workers, string? RedisUrl = null,
    HeldSnapshot? OldestSnapshot = null);

public sealed record WorkerCounts(int Active, int Draining);

/// <summary>How many workers the town needs, as <c>GET /api/scaling</c> says.</summary>
public sealed record ScalingReading(
    string Town, string Timestamp, long QueueDepth, long PendingTasks, long InFlightTasks, long ActiveAgents, long ColdAgents,
    long DesiredAgents, int MaxAgents, string ScalingRecommendation, int RecommendedWorkers, WorkerCounts Workers,
    long StartableTasks, double? OldestWaitingSecs, long AgeMs, string[] Reasons);

public sealed record TownHealth(string Status, string? Version = null, long UptimeSecs = 0, string? Ledger = null, bool Shutdown = false);

/// <summary>Whether the town can work, also when it cannot: then <c>Status</c> is <c>not_ready</c>.</summary>
public sealed record TownReadiness(
    string Status, string Redis, double? RedisLatencyMs = null, string? Database = null, string? Dispatcher = null, string? Town = null,
    string? Detail = null);
