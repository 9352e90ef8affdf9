using Townhall.Contracts.Tasks;

namespace Townhall.Simulation.Store;

// The columns that rules read. Names as in schema/sql/0001_town.sql; instants are ticks of the database's clock.

internal sealed class AgentRow(Guid id, string runtime, int maxConcurrency)
{
    public Guid Id { get; } = id;

    public string Runtime { get; } = runtime;

    public int MaxConcurrency { get; } = maxConcurrency;

    public required string Tenant { get; init; }

    public required int Weight { get; init; }

    public bool IsActive { get; set; } = true;

    public int Running { get; set; }
}

internal sealed class TaskRow(Guid id, long order, AgentRow agent, int maxAttempts)
{
    public Guid Id { get; } = id;

    /// <summary>Rises with acceptance, as ids do.</summary>
    public long Order { get; } = order;

    public AgentRow Agent { get; } = agent;

    public int MaxAttempts { get; } = maxAttempts;

    public TaskState State { get; set; } = TaskState.Assigned;

    public bool Due { get; set; } = true;

    public long AvailableAt { get; set; }

    /// <summary>The order within an agent: acceptance less a minute a step of priority.</summary>
    public long Rank { get; init; }

    public int Attempt { get; set; }

    public int Failures { get; set; }

    public int Crashes { get; set; }

    public Guid? LeaseToken { get; set; }

    public long? LeaseUntil { get; set; }

    public Guid? LeaseWorker { get; set; }

    public Guid LeaseRequest { get; set; }

    public Guid? SettledToken { get; set; }

    public bool CancelRequested { get; set; }

    public long? Deadline { get; init; }

    /// <summary>Its deadline, and no person, asked for its end (<c>cancel_reason</c>).</summary>
    public bool IsLate { get; set; }
}

/// <param name="Reported">The attempt whose result ended it; null when no result did.</param>
internal sealed record HistoryRow(
    TaskState State, int Attempt, int Failures, int Crashes, Guid? LeaseToken, Guid AgentId, (int Epoch, Guid Token, Guid Worker)? Reported);

internal sealed class WorkerRow(Guid id, int pid, string[] runtimes, int slots)
{
    public Guid Id { get; } = id;

    public int Pid { get; } = pid;

    public string[] Runtimes { get; } = runtimes;

    public int Slots { get; } = slots;

    public string State { get; set; } = "active";

    public string Token { get; set; } = "";

    public long SeenAt { get; set; }

    public bool IsLive => State is "active" or "draining";

    /// <summary>Held by a drain between its first statement and its commit; who wants the row meanwhile waits.</summary>
    public object? LockedBy { get; set; }

    public List<Action> Waiting { get; } = [];
}

/// <summary>The row of table <c>leader</c>.</summary>
internal sealed class LeaderRow
{
    public Guid Holder { get; set; }

    public long Epoch { get; set; }

    public long Until { get; set; }

    public long? TurnedAt { get; set; }

    public long? HoldUntil { get; set; }
}
