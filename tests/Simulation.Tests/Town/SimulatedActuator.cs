using Townhall.Scaler.Demand;
using Townhall.Scaler.Workers;
using Townhall.Simulation.Loop;
using Townhall.Simulation.Store;

namespace Townhall.Simulation.Town;

/// <summary>Starts worker processes, and remembers across scalers which starts have not arrived yet.</summary>
internal interface IWorkerHost
{
    /// <summary>The notes in <c>starting/</c>: they outlive the scaler.</summary>
    Dictionary<Guid, SimulatedWorker?> Journal { get; }

    /// <returns>Null when no process could be made.</returns>
    SimulatedWorker? StartWorker(Guid start);
}

/// <summary>The rules of <c>ProcessActuator</c> without its files and processes; the back-off is the product's.</summary>
internal sealed class SimulatedActuator(World world, IWorkerHost host, Connection connection, ProcessClock clock, int workersMost, Mutation mutation)
    : IWorkerActuator
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);
    private readonly StartBackOff _backOff = new(clock);
    private readonly Dictionary<Guid, (SimulatedWorker Worker, long StartedAt)> _children = [];
    private readonly HashSet<Guid> _starting = [];
    private Dictionary<Guid, SimulatedWorker?>? _inherited;
    private long _inheritedAt;
    private int _wantedBefore;

    private int Starting => _starting.Count + (_inherited?.Count ?? 0);

    public async Task CatchUpAsync(CancellationToken cancellationToken)
    {
        if (_inherited is null)
        {
            _inherited = new(host.Journal);
            _inheritedAt = clock.GetTimestamp();
        }

        var gone = _children.Values.Where(static child => !child.Worker.IsAlive).Select(static child => child.Worker).ToList();
        var pids = _starting.Select(start => _children[start].Worker).Concat(gone).Concat(_inherited.Values.OfType<SimulatedWorker>())
            .Select(static worker => (worker.Start, worker.Pid)).Distinct().ToList();
        var rows = await connection.AskAsync(
            "registrations", tables => pids.SelectMany(start => tables.Workers.Values.Where(row => row.Id == start.Start || row.Pid == start.Pid)
                .Select(row => (start.Start, row.Id, row.IsLive))).ToLookup(static row => row.Start), cancellationToken);
        foreach (var start in _starting.Where(rows.Contains).ToList())
        {
            Forget(start);
            _backOff.Arrived();
        }

        foreach (var (start, process) in _inherited.ToList())
        {
            if (rows.Contains(start) || process is { IsAlive: false } || clock.GetElapsedTime(_inheritedAt) > Patience)
            {
                Forget(start);
            }
        }

        foreach (var child in gone)
        {
            if (!rows.Contains(child.Start))
            {
                _backOff.Failed();
            }

            foreach (var row in rows[child.Start].Where(static row => row.IsLive))
            {
                await connection.EndedAsync(row.Id, cancellationToken);
            }

            Forget(child.Start);
            _children.Remove(child.Start);
        }

        foreach (var late in _starting.Where(start => clock.GetElapsedTime(_children[start].StartedAt) > Patience))
        {
            world.At(TimeSpan.Zero, "late worker is killed", _children[late].Worker.Kill);
        }
    }

    public int Adjust(int wanted, TownDemand demand)
    {
        if (mutation == Mutation.ScalerEdgeTriggered && wanted == _wantedBefore)
        {
            return Starting;
        }

        _wantedBefore = wanted;
        var allowed = _backOff.Allowed(workersMost);
        while (demand.Workers + Starting < Math.Min(wanted, workersMost) && Starting < allowed && TryStart())
        {
            // Each pass starts one.
        }

        return Starting;
    }

    private bool TryStart()
    {
        var start = world.NewId();
        host.Journal[start] = null;
        if (host.StartWorker(start) is not { } worker)
        {
            host.Journal.Remove(start);
            _backOff.Failed();
            return false;
        }

        host.Journal[start] = worker;
        _children.Add(start, (worker, clock.GetTimestamp()));
        _starting.Add(start);
        return true;
    }

    private void Forget(Guid start)
    {
        if (_starting.Remove(start) | _inherited?.Remove(start) == true)
        {
            host.Journal.Remove(start);
        }
    }
}
