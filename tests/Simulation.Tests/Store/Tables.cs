using Townhall.Contracts.Tasks;
using Townhall.ServiceDefaults.Settings;
using Townhall.Simulation.Loop;

namespace Townhall.Simulation.Store;

/// <summary>The tables and the statements over them, each of which happens at one instant. The rules are those of the SQL, written again.</summary>
/// <remarks>
/// It is the model's weakest point: a mistake in the SQL that is not repeated here stays unseen. The tests of the stores run
/// against a real Postgres. What is simulated are the interleavings, which those tests cannot reach.
/// </remarks>
internal sealed partial class Tables(World world, TownSettings town, Mutation mutation)
{
    private readonly long[] _counts = new long[Enum.GetValues<TaskState>().Length];
    private readonly HashSet<WorkerRow> _locked = [];
    private long _order;

    public Dictionary<Guid, TaskRow> Tasks { get; } = [];

    public Dictionary<Guid, HistoryRow> History { get; } = [];

    public Dictionary<Guid, AgentRow> Agents { get; } = [];

    public Dictionary<Guid, WorkerRow> Workers { get; } = [];

    /// <summary>Workers that have not ended.</summary>
    public List<WorkerRow> Live { get; } = [];

    public LeaderRow Leader { get; } = new();

    /// <summary>What <c>task_count_now</c> would say.</summary>
    public IReadOnlyList<long> Counts => _counts;

    /// <summary>Ledger entries about tasks.</summary>
    public long Entries { get; private set; }

    /// <summary>Grows with each statement that may have changed a row.</summary>
    public long Version { get; private set; }

    private TimeSpan LeaseOf(AgentRow agent) => town.LeaseOf(agent.Runtime);

    /// <summary>Function <c>accept_tasks</c>, for one offer.</summary>
    public void Accept(Guid id, Guid agent, int priority, int maxAttempts, long? notBefore, long? deadline)
    {
        Version++;
        Tasks.Add(id, new(id, _order++, Agents[agent], maxAttempts)
        {
            Rank = world.Now - (priority * TimeSpan.TicksPerMinute),
            Due = notBefore is null || notBefore <= world.Now,
            AvailableAt = notBefore ?? world.Now,
            Deadline = deadline,
        });
        Entries++;
        _counts[(int)TaskState.Assigned]++;
    }

    /// <summary>Function <c>cancel_task</c>.</summary>
    public void Cancel(Guid id)
    {
        Version++;
        if (!Tasks.TryGetValue(id, out var task))
        {
            return;
        }

        if (task.State != TaskState.Running)
        {
            if (mutation == Mutation.CancelForgotten)
            {
                task.CancelRequested = true;
                Entries++;
                return;
            }

            _counts[(int)task.State]--;
            End(task, TaskEvent.Cancel, reported: null);
            _counts[(int)TaskState.Cancelled]++;
            Entries++;
        }
        else if (!task.CancelRequested)
        {
            task.CancelRequested = true;
            Entries++;
        }
    }

    /// <summary>Pausing or resuming an agent.</summary>
    public void Control(Guid agent, bool active)
    {
        Version++;
        Agents[agent].IsActive = active;
    }

    /// <summary>Function <c>ready_agents</c>.</summary>
    public IEnumerable<(AgentRow Agent, int Startable)> Ready(string[]? runtimes)
    {
        foreach (var agent in Agents.Values)
        {
            if (agent.IsActive && agent.Running < agent.MaxConcurrency && (runtimes is null || runtimes.Contains(agent.Runtime))
                && Math.Min(agent.MaxConcurrency - agent.Running, Tasks.Values.Count(task => task.Agent == agent && Startable(task))) is > 0 and var startable)
            {
                yield return (agent, startable);
            }
        }
    }

    /// <summary>Locks a worker's row for a transaction of several statements.</summary>
    public void Lock(WorkerRow worker, object transaction)
    {
        worker.LockedBy = transaction;
        _locked.Add(worker);
    }

    /// <summary>The transaction has ended, or its connection has broken: who waited goes on.</summary>
    public void Unlock(WorkerRow worker, object transaction)
    {
        if (worker.LockedBy != transaction)
        {
            return;
        }

        worker.LockedBy = null;
        _locked.Remove(worker);
        var waiting = worker.Waiting.ToList();
        worker.Waiting.Clear();
        waiting.ForEach(static go => go());
    }

    /// <summary>The server went away: every open transaction is rolled back.</summary>
    public void RollBackAll()
    {
        foreach (var worker in _locked.ToList())
        {
            Unlock(worker, worker.LockedBy!);
        }
    }

    private static bool Startable(TaskRow task) => task is { State: TaskState.Assigned, Due: true };

    /// <summary>Every change of a state goes through here, and through the product's one table of legal moves.</summary>
    private void Move(TaskRow task, TaskEvent on)
    {
        if (TaskLifecycle.Next(task.State, on) is not { } to)
        {
            world.Fail($"a statement made the illegal move {task.State} on {on}");
            return;
        }

        task.State = to;
    }

    /// <summary>The row goes to <c>task_history</c>.</summary>
    private void End(TaskRow task, TaskEvent on, (int Epoch, Guid Token, Guid Worker)? reported)
    {
        Move(task, on);
        Tasks.Remove(task.Id);
        if (!History.TryAdd(
            task.Id, new(task.State, task.Attempt, task.Failures, task.Crashes, task.LeaseToken, task.Agent.Id, reported)))
        {
            world.Fail("a task ended twice");
        }
    }

    private static int Compare(TaskRow one, TaskRow other) =>
        one.Rank != other.Rank ? one.Rank.CompareTo(other.Rank) : one.Order.CompareTo(other.Order);
}
