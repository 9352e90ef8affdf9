using Townhall.ServiceDefaults.Settings;
using Townhall.Simulation.Checks;
using Townhall.Simulation.Loop;
using Townhall.Simulation.Store;
using Townhall.Worker.Settings;

namespace Townhall.Simulation.Town;

/// <summary>The processes of a town: dispatchers, a scaler or a platform that follows its signal, and the workers these start.</summary>
internal sealed class SimulatedTown : IWorkerHost
{
    private static readonly Uri Nowhere = new("http://127.0.0.1:1");
    private readonly World _world;
    private readonly TownSettings _settings;
    private readonly Server _server;
    private readonly Network _network;
    private readonly Work _work;
    private readonly Checker _checker;
    private readonly Mutation _mutation;
    private readonly TimeSpan _quiet;
    private readonly double _coldStartSecs;
    private readonly List<SimulatedDispatcher> _dispatchers = [];
    private readonly List<SimulatedWorker> _workers = [];
    private readonly bool _platform;
    private int _pids;
    private bool _asking;

    public SimulatedTown(
        World world, TownSettings settings, Server server, Network network, Work work, Checker checker, Mutation mutation, bool platform)
    {
        (_world, _settings, _server, _network, _work, _checker, _mutation, _platform) =
            (world, settings, server, network, work, checker, mutation, platform);
        _quiet = world.Between(0, 20);
        _coldStartSecs = 0.05 + (world.Random.NextDouble() * 2);
        for (var count = world.Random.Next(1, 3); count > 0; count--)
        {
            _dispatchers.Add(StartDispatcher());
        }

        Scaler = StartScaler();
        world.Settling += Settle;
        if (platform)
        {
            world.At(world.Next(1), "platform looks", Look);
        }
    }

    public Dictionary<Guid, SimulatedWorker?> Journal { get; } = [];

    public SimulatedScaler Scaler { get; private set; }

    public double RingsLost { get; set; }

    /// <summary>How often a started worker dies before it registers.</summary>
    public double StartsFail { get; set; }

    public TimeSpan Lease => _settings.LeaseOf(Contracts.Agents.Runtimes.Command);

    /// <summary>Processes that live.</summary>
    public IReadOnlyCollection<SimulatedWorker> Workers => _workers;

    public SimulatedDispatcher AnyDispatcher() => _dispatchers[_world.Random.Next(_dispatchers.Count)];

    public SimulatedWorker? AnyWorker() => _workers.Count == 0 ? null : _workers[_world.Random.Next(_workers.Count)];

    public SimulatedWorker? StartWorker(Guid start)
    {
        if (_world.Chance(StartsFail / 3))
        {
            return null;
        }

        var worker = new SimulatedWorker(
            _world, process => new Link(_world, _network, () => _dispatchers, process), new WorkerSettings
            {
                Dispatcher = Nowhere,
                Key = null!,
                Name = "worker",
                Incarnation = start,
                Slots = _settings.WorkerSlots,
                ExitWhenIdle = !_platform,
                Drain = _world.Between(0, 8),
                Random = new Random(_world.Random.Next()),
            }, _work, _checker, ++_pids);
        _workers.Add(worker);
        worker.Gone += () =>
        {
            _workers.Remove(worker);
            _checker.ProcessGone(worker);
            Scaler.Heard();
        };
        if (_world.Chance(StartsFail))
        {
            _world.Tally.Happened("start fails");
            _world.At(_world.Between(0.001, 0.5), "dies at its start", worker.Kill, worker);
        }
        else
        {
            _world.At(_world.Between(0.02, _coldStartSecs), "has started", worker.Begin, worker);
        }

        return worker;
    }

    /// <summary>The doorbell rings for an agent's work; over Redis, so each may hear it, later or never.</summary>
    public void Ring(Guid agent)
    {
        foreach (var dispatcher in _dispatchers)
        {
            if (_world.Chance(RingsLost))
            {
                _world.Tally.Happened("ring is lost");
            }
            else
            {
                _world.At(_world.Between(0.0002, 0.02), "ring", () => dispatcher.Heard(agent), dispatcher);
            }
        }

        if (!_world.Chance(RingsLost))
        {
            _world.At(_world.Between(0.0002, 0.02), "ring", Scaler.Heard, Scaler);
        }
    }

    public void RingControl()
    {
        foreach (var dispatcher in _dispatchers.Where(_ => !_world.Chance(RingsLost)))
        {
            _world.At(_world.Between(0.0002, 0.02), "ring of control", dispatcher.HeardControl, dispatcher);
        }
    }

    public void KillDispatcher(TimeSpan forHowLong)
    {
        var place = _world.Random.Next(_dispatchers.Count);
        if (_dispatchers[place] is { IsAlive: true } dispatcher)
        {
            _world.Tally.Happened("dispatcher is killed");
            dispatcher.Kill();
            _world.At(forHowLong, "dispatcher starts again", () => Restart(place));
        }
    }

    public void KillScaler(TimeSpan forHowLong)
    {
        if (Scaler.IsAlive)
        {
            _world.Tally.Happened("scaler is killed");
            Scaler.Kill();
            _world.At(forHowLong, "scaler starts again", RestartScaler);
        }
    }

    /// <summary>Everything that was killed or stopped is there again, workers excepted: starting those is the town's own affair.</summary>
    public void Repair()
    {
        for (var place = 0; place < _dispatchers.Count; place++)
        {
            Restart(place);
            _dispatchers[place].Resume();
        }

        RestartScaler();
        Scaler.Resume();
        foreach (var worker in _workers.ToList())
        {
            worker.Link.IsCut = false;
            worker.Resume();
        }
    }

    private SimulatedDispatcher StartDispatcher()
    {
        var dispatcher = new SimulatedDispatcher(_world, _settings, _server, _mutation);
        dispatcher.Start();
        return dispatcher;
    }

    private SimulatedScaler StartScaler()
    {
        var scaler = new SimulatedScaler(_world, _settings, _quiet, _server, this, _checker, _mutation);
        scaler.Start(actuates: !_platform);
        return scaler;
    }

    private void Restart(int place)
    {
        if (!_dispatchers[place].IsAlive)
        {
            _dispatchers[place] = StartDispatcher();
        }
    }

    private void RestartScaler()
    {
        if (!Scaler.IsAlive)
        {
            Scaler = StartScaler();
        }
    }

    private void Settle()
    {
        foreach (var dispatcher in _dispatchers)
        {
            if (dispatcher is { IsAlive: true, IsFrozen: false })
            {
                dispatcher.Settle();
            }
        }

        Scaler.Settle();
    }

    /// <summary>A platform that follows the signal: it picks whom to stop without knowing who works, and holds on 503.</summary>
    private void Look()
    {
        if (!_asking && Scaler.IsAlive)
        {
            _asking = true;
            var asked = Scaler;
            void Forget() => _asking = false;
            asked.Gone += Forget;
            asked.Take(() => _ = FollowAsync(asked));
        }

        _world.At(_world.Next(1), "platform looks", Look);
    }

    private async Task FollowAsync(SimulatedScaler asked)
    {
        var recommended = await asked.RecommendAsync();
        _asking = false;
        if (recommended is not { } wanted)
        {
            return;
        }

        for (var missing = wanted - _workers.Count; missing > 0; missing--)
        {
            StartWorker(_world.NewId());
        }

        var victims = _workers.OrderBy(_ => _world.Random.Next()).Take(_workers.Count - wanted).ToList();
        foreach (var victim in victims)
        {
            _world.At(TimeSpan.Zero, "SIGTERM", victim.Signal, victim);
        }
    }
}
