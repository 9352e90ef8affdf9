using Townhall.Contracts.Tasks;
using Townhall.ServiceDefaults.Settings;
using Townhall.Simulation.Loop;
using Townhall.Simulation.Store;
using Townhall.Simulation.Town;
using Townhall.Worker.Drain;
using Townhall.Worker.Leasing;

namespace Townhall.Simulation.Checks;

/// <summary>
/// Looks at the tables after every step and compares them with what it saw before. It keeps its own memory and shares no
/// code with the statements, so that what they do wrong and what they forget are both seen.
/// </summary>
/// <remarks>The numbers in brackets are those of docs/invariants.md.</remarks>
internal sealed partial class Checker(World world, Tables tables, TownSettings town, Work work)
{
    private readonly Dictionary<Guid, Seen> _seen = [];
    private readonly Dictionary<Guid, HistoryRow> _ended = [];
    private readonly Dictionary<(Guid Task, int Epoch), Given> _given = [];
    private readonly HashSet<(Guid Task, int Epoch)> _began = [];
    private readonly List<(SimulatedWorker Worker, Attempt Attempt)> _executing = [];
    private readonly long[] _endedIn = new long[Enum.GetValues<TaskState>().Length];
    private readonly long[] _recount = new long[Enum.GetValues<TaskState>().Length];
    private readonly Dictionary<Guid, int> _running = [];
    private long _version = -1;
    private long _entries;

    /// <summary>Tasks whose acceptance was answered with 2xx.</summary>
    public HashSet<Guid> Accepted { get; } = [];

    /// <summary>Leases that were given.</summary>
    public int Leases => _given.Count;

    /// <summary>How many ended in each state.</summary>
    public IReadOnlyList<long> Endings => _endedIn;

    /// <summary>What a row said when it was last looked at.</summary>
    private sealed record Seen(
        TaskState State, int Attempt, int Failures, int Crashes, long? LeaseUntil, Guid? Token, Guid? Worker, bool Due, long AvailableAt, bool Cancelled,
        int Releases);

    private sealed class Given(Guid token, Guid worker, long until)
    {
        public Guid Token => token;

        public Guid Worker => worker;

        /// <summary>The end that the database last promised.</summary>
        public long Until { get; set; } = until;
    }

    public void AfterStep()
    {
        if (tables.Version != _version)
        {
            _version = tables.Version;
            Rows();
            Counts();
            RememberBusy();
            WorkersAndLeases();
        }

        foreach (var (worker, attempt) in _executing)
        {
            // [12] Past its end in the database another attempt may run: this one must stand still by then. A worker that is
            // itself stopped cannot see to it; what it does then is refused later.
            if (worker is { IsAlive: true, IsFrozen: false } && !attempt.IsFrozen && !attempt.IsFinished
                && _given[(attempt.Lease.TaskId, attempt.Lease.Epoch)].Until < world.Now)
            {
                world.Fail($"[12] attempt {attempt.Lease.Epoch} of a task runs on although its lease has ended");
            }
        }
    }

    /// <summary>An attempt's command has started.</summary>
    public void Began(SimulatedWorker worker, Attempt attempt)
    {
        var key = (attempt.Lease.TaskId, attempt.Lease.Epoch);
        if (!_given.TryGetValue(key, out var given) || given.Token != attempt.Lease.Token || given.Worker != worker.Incarnation)
        {
            world.Fail("[16] something started that was not leased to its worker");
        }

        if (!_began.Add(key))
        {
            world.Fail("[7] one attempt started twice");
        }

        _executing.Add((worker, attempt));
    }

    public void Finished(Attempt attempt) => _executing.RemoveAll(one => one.Attempt == attempt);

    /// <summary>A process is gone, and its commands with it.</summary>
    public void ProcessGone(SimulatedWorker worker) => _executing.RemoveAll(one => one.Worker == worker);

    /// <summary>[30] A worker ends only when it holds nothing, or has let go of it.</summary>
    public void SessionEnded(Guid worker, SessionEnd end)
    {
        if (end == SessionEnd.Drained && tables.Held(worker).Length > 0)
        {
            world.Fail("[30] a worker left as drained although it holds a lease");
        }
    }

    /// <summary>Everything has come to rest: nothing was lost, nothing is stranded, nobody works for nothing.</summary>
    public void AtRest(IReadOnlyCollection<SimulatedWorker> workers)
    {
        if (tables.Tasks.Count > 0)
        {
            world.Fail($"[29] {tables.Tasks.Count} tasks are stranded: {string.Join("; ", _seen.Values.Take(3))}");
        }

        if (workers.Count > 0 || tables.Live.Count > 0)
        {
            world.Fail($"[29] there is nothing to do, yet {workers.Count} workers live and {tables.Live.Count} are registered");
        }

        if (Accepted.FirstOrDefault(id => !_ended.ContainsKey(id)) is var lost && lost != Guid.Empty)
        {
            world.Fail("[1] an accepted task has no end");
        }

        foreach (var (id, row) in _ended)
        {
            if (!tables.History.TryGetValue(id, out var now) || now != row)
            {
                world.Fail("[5] an ended task has changed");
            }
        }
    }

    private void Rows()
    {
        foreach (var row in tables.Tasks.Values)
        {
            if (_ended.ContainsKey(row.Id))
            {
                world.Fail("[5] an ended task lives again");
            }

            if ((row.State == TaskState.Running) != (row.LeaseUntil is not null) || (row.LeaseUntil is not null && (row.LeaseToken is null || row.LeaseWorker is null))
                || (!row.Due && row.State != TaskState.Assigned) || TaskLifecycle.IsTerminal(row.State))
            {
                world.Fail($"[4] a row is in none of the places where a task can be: {row.State}");
            }

            if (row.CancelRequested && row.State != TaskState.Running)
            {
                world.Fail("[16] a task that somebody cancelled waits to be started again");
            }

            var releases = 0;
            if (!_seen.TryGetValue(row.Id, out var before))
            {
                _entries++;
                before = new(TaskState.Assigned, 0, 0, 0, null, null, null, row.Due, row.AvailableAt, false, 0);
            }

            releases = before.Releases + Compare(row, before);
            if (before.State != row.State || before.Attempt != row.Attempt || before.LeaseUntil != row.LeaseUntil || before.Due != row.Due
                || before.Failures != row.Failures || before.Cancelled != row.CancelRequested || before.Token != row.LeaseToken || !_seen.ContainsKey(row.Id))
            {
                _seen[row.Id] = new(
                    row.State, row.Attempt, row.Failures, row.Crashes, row.LeaseUntil, row.LeaseToken, row.LeaseWorker, row.Due, row.AvailableAt,
                    row.CancelRequested, releases);
            }
        }

        if (_seen.Count > tables.Tasks.Count)
        {
            foreach (var (id, before) in _seen.Where(one => !tables.Tasks.ContainsKey(one.Key)).ToList())
            {
                _seen.Remove(id);
                Ended(id, before);
            }
        }
    }

    /// <summary>[23] Counters are what a recount gives, and each change has its entry. [17] No agent runs more than it may.</summary>
    private void Counts()
    {
        Array.Copy(_endedIn, _recount, _recount.Length);
        _running.Clear();
        foreach (var row in tables.Tasks.Values)
        {
            _recount[(int)row.State]++;
            if (row.State == TaskState.Running)
            {
                _running[row.Agent.Id] = _running.GetValueOrDefault(row.Agent.Id) + 1;
            }
        }

        for (var state = 0; state < _recount.Length; state++)
        {
            if (_recount[state] != tables.Counts[state])
            {
                world.Fail($"[23] the counter of {(TaskState)state} says {tables.Counts[state]}, a recount {_recount[state]}");
            }
        }

        if (_entries != tables.Entries)
        {
            world.Fail($"[23] {_entries} changes of tasks have {tables.Entries} ledger entries");
        }

        foreach (var agent in tables.Agents.Values)
        {
            var running = _running.GetValueOrDefault(agent.Id);
            if (running != agent.Running)
            {
                world.Fail($"[23] an agent counts {agent.Running} running tasks, a recount {running}");
            }

            if (running > agent.MaxConcurrency)
            {
                world.Fail($"[17] an agent runs {running} tasks and may run {agent.MaxConcurrency}");
            }
        }
    }

    /// <summary>[30] Who was told that it may end holds nothing.</summary>
    private void WorkersAndLeases()
    {
        foreach (var row in tables.Tasks.Values)
        {
            if (row.State == TaskState.Running && tables.Workers[row.LeaseWorker!.Value].State == "drained")
            {
                world.Fail("[30] a drained worker holds a lease");
            }
        }
    }
}
