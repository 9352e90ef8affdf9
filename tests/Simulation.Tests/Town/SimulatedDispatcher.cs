using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging.Abstractions;
using Townhall.Contracts.Ids;
using Townhall.Contracts.Tasks;
using Townhall.Contracts.Workers;
using Townhall.Dispatcher.Duties;
using Townhall.Dispatcher.Leases;
using Townhall.Dispatcher.Queues;
using Townhall.Dispatcher.Settling;
using Townhall.Dispatcher.Workers;
using Townhall.ServiceDefaults.Settings;
using Townhall.Simulation.Loop;
using Townhall.Simulation.Store;
using Townhall.Worker.Protocol;

namespace Townhall.Simulation.Town;

/// <summary>One dispatcher: the product's pump, line of agents, batcher, reaper and sweep; HTTP, tokens and leadership are modelled.</summary>
internal sealed class SimulatedDispatcher : SimulatedProcess
{
    private static readonly TimeSpan Remembered = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan TouchEvery = TimeSpan.FromSeconds(2);
    private readonly World _world;
    private readonly TownSettings _town;
    private readonly Connection _connection;
    private readonly ReadyAgents _ready = new();
    private readonly LeasePump _pump;
    private readonly SettleBatcher _batcher;
    private readonly Reaper _reaper;
    private readonly Sweep _sweep;
    private readonly SimulatedLeadership _leadership;
    private readonly List<Task> _loops = [];
    private readonly List<Task> _turns = [];
    private readonly List<(WorkerId Worker, Guid Request, Task Call, Task? Entering)> _open = [];
    private readonly Dictionary<string, Entry> _proven = [];
    private TaskCompletionSource _control = new();

    public SimulatedDispatcher(World world, TownSettings town, Server server, Mutation mutation)
        : base(world, "dispatcher")
    {
        (_world, _town) = (world, town);
        _connection = new(server, this, mutation);
        _leadership = new(_connection, Clock, world.NewId());
        var bell = new SequencerBell();

        // Without a doorbell: rings are delivered by Heard, which does what the pump does when it hears one.
        _pump = new(_connection, new PostgresQueue(_connection, _ready, Clock), _ready, null!, bell, Clock, NullLogger<LeasePump>.Instance);
        _batcher = new(_connection, _connection, _ready, _pump, bell, NullLogger<SettleBatcher>.Instance);
        _reaper = new(_connection, _leadership, _ready, _pump, bell, town, Clock, NullLogger<Reaper>.Instance);
        _sweep = new(_connection, _ready, _pump, null!, bell, Clock, NullLogger<Sweep>.Instance);
    }

    private sealed class Entry(KnownWorker worker, bool lives, long provenAt)
    {
        public KnownWorker Worker => worker;

        public bool Lives => lives;

        public long ProvenAt => provenAt;

        public long? TouchedAt { get; set; }
    }

    /// <summary>The host has started. The two loops that are woken run as they are; the paced ones are paced here, turn by turn.</summary>
    public void Start()
    {
        _loops.Add(Execute(_pump, CancellationToken.None));
        _loops.Add(Execute(_batcher, CancellationToken.None));
        Every(SimulatedLeadership.RenewEvery, "leadership", _leadership.TurnAsync);
        Every(_town.ReaperPeriod, "reaper", () => _reaper.TurnAsync(CancellationToken.None));
        Every(TimeSpan.FromSeconds(1), "sweep", () => _sweep.TurnAsync(CancellationToken.None));
    }

    /// <summary>The doorbell rang for an agent's work.</summary>
    public void Heard(Guid agent)
    {
        _ready.Ring(agent);
        _pump.Wake();
    }

    /// <summary>The doorbell rang for somebody's decision.</summary>
    public void HeardControl()
    {
        var rung = _control;
        _control = new();
        rung.TrySetResult();
    }

    /// <summary>Waits for answers of the pump that are on their way over the thread pool; says when a loop has died.</summary>
    public void Settle()
    {
        foreach (var (worker, request, call, entering) in _open.ToArray())
        {
            // The first of several equal calls looks for earlier leases; one that joined it may have hung up meanwhile.
            if (!call.IsCompleted && entering is null or { IsCompleted: true } && !_pump.IsOpen(worker, request))
            {
                _world.Context.WaitFor(() => call.IsCompleted);
            }
        }

        _open.RemoveAll(static one => one.Call.IsCompleted);
        if (_loops.Find(static loop => loop.IsCompleted) is { } ended || (ended = _turns.Find(static turn => turn.IsFaulted)) is not null)
        {
            _world.Fail($"a loop of the dispatcher ended: {ended.Exception}");
        }
    }

    public async Task<Answer<RegisterReply>> RegisterAsync(RegisterRequest worker, CancellationToken cancellationToken)
    {
        var token = $"{worker.Incarnation:N}-{_world.NewId():N}";
        return await _connection.RegisterAsync(worker, token, cancellationToken)
            ? new Answer<RegisterReply>.Given(new(
                worker.Incarnation, token, _town.Name, _town.IdleTimeout.TotalSeconds, TaskLimits.OutputBytes, TaskLimits.InlineResultBytes))
            : new Answer<RegisterReply>.TokenRefused(401);
    }

    public Task<Answer<LeaseReply>> LeaseAsync(string token, LeaseRequest request, CancellationToken cancellationToken) =>
        ProvenAsync<LeaseReply>(token, async worker =>
        {
            var before = _connection.LastRepeat;
            var call = _pump.WaitAsync(worker, request.RequestId, request.Max, Bounded(request.WaitMs), cancellationToken);
            _open.Add((worker.Id, request.RequestId, call, _connection.LastRepeat == before ? null : _connection.LastRepeat));
            return new(await call, Draining: false);
        }, cancellationToken);

    public Task<Answer<RenewReply>> RenewAsync(string token, RenewRequest request, CancellationToken cancellationToken) =>
        ProvenAsync<RenewReply>(
            token, async worker => new(await _connection.RenewAsync(worker.Id.Value, request.Leases, cancellationToken)), cancellationToken);

    public Task<Answer<DirectivesReply>> DirectivesAsync(string token, DirectivesRequest request, CancellationToken cancellationToken) =>
        ProvenAsync<DirectivesReply>(token, async worker =>
        {
            var ring = _control.Task;
            var directives = await _connection.CancelsAsync(worker.Id.Value, cancellationToken);
            if (directives.Length == 0)
            {
                try
                {
                    await ring.WaitAsync(Bounded(request.WaitMs), Clock, cancellationToken);
                    directives = await _connection.CancelsAsync(worker.Id.Value, cancellationToken);
                }
                catch (TimeoutException)
                {
                    // Nothing to do: the worker asks again.
                }
            }

            return new(directives);
        }, cancellationToken);

    public Task<Answer<SettleReply>> SettleAsync(string token, SettleRequest request, CancellationToken cancellationToken) =>
        ProvenAsync<SettleReply>(token, async worker =>
        {
            // Nobody hangs up here: that would change nothing of what is recorded, and the way back would lead over the pool.
            var settled = await _batcher.SettleAsync(
                Array.ConvertAll(request.Results, result => new Ending(worker.Id, result)), CancellationToken.None);
            return new([.. settled.Select((one, i) => new SettleVerdict(request.Results[i].Lease.TaskId, request.Results[i].Lease.Epoch, one.Verdict))]);
        }, cancellationToken, lostToo: true);

    public Task<Answer<DrainReply>> DrainAsync(string token, DrainRequest request, CancellationToken cancellationToken) =>
        ProvenAsync<DrainReply>(token, worker => _connection.DrainAsync(worker, request.Reason == "stopping", cancellationToken), cancellationToken);

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "ExecuteAsync")]
    private static extern Task Execute(LeasePump pump, CancellationToken stoppingToken);

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "ExecuteAsync")]
    private static extern Task Execute(SettleBatcher batcher, CancellationToken stoppingToken);

    /// <summary>What <c>LeaseEndpoints</c> allows a call to wait.</summary>
    private TimeSpan Bounded(int waitMs) =>
        TimeSpan.FromMilliseconds(Math.Min(waitMs, Math.Min(10_000, _town.LeaseOf("").TotalMilliseconds / 3)));

    /// <summary>The rules of <c>WorkerTokens</c>: a proven token is remembered for 3 s, its worker noted as seen at most every 2 s.</summary>
    private async Task<Answer<T>> ProvenAsync<T>(string token, Func<KnownWorker, Task<T>> serve, CancellationToken cancellationToken, bool lostToo = false)
    {
        if (!_proven.TryGetValue(token, out var entry) || Clock.GetElapsedTime(entry.ProvenAt) >= Remembered)
        {
            if (await _connection.FindAsync(Guid.ParseExact(token[..32], "N"), token, cancellationToken) is not var (known, lives))
            {
                return new Answer<T>.TokenRefused(401);
            }

            _proven[token] = entry = new(known, lives, Clock.GetTimestamp());
        }

        if (entry.TouchedAt is not { } touched || Clock.GetElapsedTime(touched) >= TouchEvery)
        {
            entry.TouchedAt = Clock.GetTimestamp();
            await _connection.TouchAsync(entry.Worker.Id.Value, cancellationToken);
        }

        return entry.Lives || lostToo ? new Answer<T>.Given(await serve(entry.Worker)) : new Answer<T>.TokenRefused(401);
    }

    private void Every(TimeSpan period, string what, Func<Task> turn)
    {
        var running = Task.CompletedTask;
        void Tick()
        {
            // As a timer whose last tick is still being worked on: the turns never overlap.
            if (running.IsCompleted)
            {
                running = turn();
                _turns.RemoveAll(static turn => turn.IsCompletedSuccessfully);
                _turns.Add(running);
            }

            _world.At(period, what, Tick, this);
        }

        _world.At(_world.Between(0, 0.05), what, Tick, this);
    }
}
