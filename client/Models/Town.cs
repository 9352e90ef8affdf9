namespace Townhall.Client;

public sealed record TaskCounts(
    long Pending, long Assigned, long Running, long Waiting, long Completed, long Failed, long Cancelled, long Dead);

public sealed record TownInfo(string Name, string Root, string RedisUrl);

/// <summary>A snapshot of the town's database that keeps dead rows; <c>Alarm</c> when it is held longer than the town's limit.</summary>
public sealed record HeldSnapshot(double AgeSecs, DateTime Since, string Role, string Application, string State, bool Alarm);

/// <summary>A task that a worker holds.</summary>
/// <param name="LeaseUntil">When its worker must have said that it lives.</param>
public sealed record RunningTask(
    Guid TaskId, string Description, Guid AgentId, string? AgentName, int Attempt, DateTime? LeasedAt, DateTime LeaseUntil, Guid WorkerId);

/// <summary>A worker that takes or finishes work.</summary>
/// <param name="Holding">Tasks it holds now, of its <paramref name="Slots"/>.</param>
public sealed record TownWorker(
    Guid Id, string Name, string Host, string State, int Slots, long Holding, string Version, string Sandbox, DateTime RegisteredAt,
    DateTime SeenAt);

/// <summary>What is going on; at most 500 of each.</summary>
/// <param name="Running">Oldest first.</param>
public sealed record DeepStatus(RunningTask[] Running, TownWorker[] Workers);

/// <param name="Agents">The first 1000.</param>
/// <param name="NextCursor">For <c>GET /v1/agents</c>, which has the others; null when these are all.</param>
/// <param name="Deep">Null where nobody asked for it.</param>
public sealed record TownStatus(
    string Name, string Root, long AgentCount, TownAgent[] Agents, TaskCounts Tasks, int Workers, string? RedisUrl = null,
    HeldSnapshot? OldestSnapshot = null, string? NextCursor = null, DeepStatus? Deep = null,
    string[]? Troubles = null);

public sealed record WorkerCounts(int Active, int Draining);

/// <summary>How many workers the town needs, as <c>GET /api/scaling</c> says.</summary>
public sealed record ScalingReading(
    string Town, string Timestamp, long QueueDepth, long PendingTasks, long InFlightTasks, long ActiveAgents, long ColdAgents,
    long DesiredAgents, int MaxAgents, string ScalingRecommendation, int RecommendedWorkers, WorkerCounts Workers,
    long StartableTasks, double? OldestWaitingSecs, long AgeMs, string[] Reasons);

public sealed record TownHealth(
    string Status, string? Version = null, long UptimeSecs = 0, string? Mode = null, string? DefaultProvider = null,
    bool CognitionLive = false, string? Ledger = null, bool Shutdown = false);

/// <summary>Whether the town can work, also when it cannot: then <c>Status</c> is <c>not_ready</c>.</summary>
public sealed record TownReadiness(
    string Status, string Redis, double? RedisLatencyMs = null, string? Database = null, string? Dispatcher = null, string? Town = null,
    string? Detail = null);
