using System.Collections.Frozen;
using static Townhall.Contracts.Tasks.TaskEvent;
using static Townhall.Contracts.Tasks.TaskState;

namespace Townhall.Contracts.Tasks;


/// <summary>Where a task stands. On the wire and in SQL the lower-case word.</summary>
public enum TaskState
{
    /// <summary>In the backlog, nobody's yet.</summary>
    Pending,

    /// <summary>Given to an agent, waiting for a worker (or for its due time).</summary>
    Assigned,

    /// <summary>Leased to a worker.</summary>
    Running,

    /// <summary>Waiting for a person or a child task.</summary>
    Waiting,

    /// <summary>The work said yes.</summary>
    Completed,

    /// <summary>The work said no and its attempts are spent.</summary>
    Failed,

    /// <summary>Somebody withdrew it.</summary>
    Cancelled,

    /// <summary>No answer could be had: its workers were lost too often.</summary>
    Dead,
}

/// <summary>What can happen to a task.</summary>
public enum TaskEvent
{
    /// <summary>A backlog task gets an agent.</summary>
    Assign,

    /// <summary>A worker takes it: a new attempt with a new epoch.</summary>
    Lease,

    /// <summary>The attempt ended with exit code 0.</summary>
    Complete,

    /// <summary>The attempt failed and another one is allowed.</summary>
    Retry,

    /// <summary>The attempt failed and no other is allowed.</summary>
    Fail,

    /// <summary>The worker gave the lease back unharmed (drain). The attempt is not counted.</summary>
    Release,

    /// <summary>The lease ran out without an answer, and the crash count allows another attempt.</summary>
    Lose,

    /// <summary>The lease ran out without an answer for the last time.</summary>
    Bury,

    /// <summary>The attempt waits for a person or a child.</summary>
    Suspend,

    /// <summary>What it waited for has come.</summary>
    Resume,

    /// <summary>Somebody withdraws it.</summary>
    Cancel,

    /// <summary>Its agent is gone: back to the backlog.</summary>
    Unassign,

    /// <summary>Its deadline passed.</summary>
    Expire,
}

/// <summary>The legal moves of a task. An absent pair is refused; ended states have no way out.</summary>
/// <remarks>Table <c>task_move</c> in the schema holds the same rows; a test compares them, and the diagram in docs/lifecycles.md.</remarks>
public static class TaskLifecycle
{
    private static readonly FrozenDictionary<(TaskState From, TaskEvent On), TaskState> Legal =
        new Dictionary<(TaskState, TaskEvent), TaskState>
        {
            [(Pending, Assign)] = Assigned,
            [(Pending, Cancel)] = Cancelled,
            [(Pending, Expire)] = Failed,
            [(Assigned, Lease)] = Running,
            [(Assigned, Unassign)] = Pending,
            [(Assigned, Cancel)] = Cancelled,
            [(Assigned, Expire)] = Failed,
            // A result may come after its lease ran out, as long as no newer attempt was leased.
            [(Assigned, Complete)] = Completed,
            [(Assigned, Retry)] = Assigned,
            [(Assigned, Fail)] = Failed,
            [(Running, Complete)] = Completed,
            [(Running, Retry)] = Assigned,
            [(Running, Fail)] = Failed,
            [(Running, Release)] = Assigned,
            [(Running, Lose)] = Assigned,
            [(Running, Bury)] = Dead,
            [(Running, Suspend)] = Waiting,
            [(Running, Cancel)] = Cancelled,
            [(Running, Expire)] = Failed,
            [(Waiting, Resume)] = Assigned,
            [(Waiting, Cancel)] = Cancelled,
            [(Waiting, Expire)] = Failed,
        }.ToFrozenDictionary();

    /// <summary>Every legal move, in a stable order.</summary>
    public static IEnumerable<(TaskState From, TaskEvent On, TaskState To)> Moves =>
        Legal.Select(static move => (move.Key.From, move.Key.On, move.Value)).Order();

    /// <summary>Where <paramref name="on"/> leads, or null when the move is not legal.</summary>
    public static TaskState? Next(TaskState from, TaskEvent on) =>
        Legal.TryGetValue((from, on), out var to) ? to : null;

    /// <summary>The states <paramref name="on"/> may leave, as SQL words: what an UPDATE puts in its WHERE.</summary>
    public static string[] Sources(TaskEvent on) =>
        [.. Legal.Keys.Where(move => move.On == on).Select(static move => move.From).Order().Select(Word)];

    /// <summary>True for states without a way out.</summary>
    public static bool IsTerminal(TaskState state) => state is Completed or Failed or Cancelled or Dead;

    /// <summary>The word on the wire and in SQL.</summary>
    public static string Word(TaskState state) => state switch
    {
        Pending => "pending",
        Assigned => "assigned",
        Running => "running",
        Waiting => "waiting",
        Completed => "completed",
        Failed => "failed",
        Cancelled => "cancelled",
        Dead => "dead",
        _ => throw new ArgumentOutOfRangeException(nameof(state), state, null),
    };

    /// <summary>The state a word names (<c>in_flight</c> is an old name of <c>running</c>), or null.</summary>
    public static TaskState? Parse(string word) => word switch
    {
        "pending" => Pending,
        "assigned" => Assigned,
        "running" or "in_flight" => Running,
        "waiting" => Waiting,
        "completed" => Completed,
        "failed" => Failed,
        "cancelled" => Cancelled,
        "dead" => Dead,
        _ => null,
    };
}
