using Microsoft.Extensions.Logging.Abstractions;
using Townhall.Contracts.Agents;
using Townhall.Simulation.Checks;
using Townhall.Simulation.Loop;
using Townhall.Worker.Directives;
using Townhall.Worker.Drain;
using Townhall.Worker.Leasing;
using Townhall.Worker.Lifetime;
using Townhall.Worker.Registration;
using Townhall.Worker.Runtimes;
using Townhall.Worker.Runtimes.Noop;
using Townhall.Worker.Settings;

namespace Townhall.Simulation.Town;

/// <summary>
/// One worker process: the product's registrar, work loop, leases, drain handshake, settling and directives, taken turn by
/// turn. Modelled are the process around them (<c>WorkerProcess</c>), the network, and the commands (<see cref="SimulatedRuntime"/>).
/// </summary>
internal sealed class SimulatedWorker : SimulatedProcess
{
    /// <summary>More turns in a row than there are things that can be due at once.</summary>
    private const int TurnsAtOnceMost = 50;
    private readonly World _world;
    private readonly WorkerSettings _settings;
    private readonly Checker _checker;
    private readonly StopSignal _stop = new();
    private readonly SimulatedRuntime _runtime;
    private WorkLoop? _loop;
    private Session? _session;
    private CancellationTokenSource? _beside;
    private int _alarm;
    private int _atOnce;

    public SimulatedWorker(
        World world, Func<SimulatedProcess, Link> link, WorkerSettings settings, Work work, Checker checker, int pid)
        : base(world, $"worker {pid}")
    {
        (_world, _settings, _checker, Pid) = (world, settings, checker, pid);
        Start = settings.Incarnation!.Value;
        Link = link(this);
        _runtime = new(world, this, work, checker);
    }

    public Link Link { get; }

    public int Pid { get; }

    /// <summary>What it was told to call itself; a later registration of the same process has another name.</summary>
    public Guid Start { get; }

    /// <summary>Its registration, while it has one.</summary>
    public Guid? Incarnation => _session?.Incarnation;

    /// <summary>It ended by itself, in order.</summary>
    public int? ExitCode { get; private set; }

    /// <summary>The process has started.</summary>
    public void Begin() => _ = RegisterAsync(Start);

    /// <summary>SIGTERM.</summary>
    public void Signal()
    {
        if (IsAlive)
        {
            _stop.Raise();
        }
    }

    /// <summary>What <c>WorkLoop.RunAsync</c> does between two waits.</summary>
    public override bool AfterEvent()
    {
        if (_loop is not { } loop)
        {
            return false;
        }

        if (loop.Turn() is { } end)
        {
            Over(end);
            return true;
        }

        var more = _world.Context.Drain() > 0;
        if (!more && loop.UntilNextTurn() is { } until)
        {
            Wake(until);
        }

        return more;
    }

    /// <summary>A turn after this time by the process' own clock, which may be slow. Each turn sets the alarm anew.</summary>
    private void Wake(TimeSpan until)
    {
        _atOnce = until <= TimeSpan.Zero ? _atOnce + 1 : 0;
        if (_atOnce > TurnsAtOnceMost)
        {
            _world.Fail($"[48] the work loop of {Name} turns without ever waiting");
        }

        var alarm = ++_alarm;
        _world.Quietly(TimeSpan.FromTicks((long)(Math.Max(0, until.Ticks) * 1.011) + 10), () =>
        {
            if (alarm == _alarm)
            {
                Take(static () => { });
            }
        });
    }

    private async Task RegisterAsync(Guid incarnation)
    {
        try
        {
            var (session, exitCode) = await new Registrar(Link, _settings, "key", Clock, NullLogger.Instance)
                .RegisterAsync(incarnation, "none", _stop.Requested);
            if (session is null)
            {
                Exit(exitCode);
                return;
            }

            _session = session;
            Dictionary<string, IAgentRuntime> runtimes = new()
            {
                [Runtimes.Noop] = new NoopRuntime(session.Reply.InlineResultBytes),
                [Runtimes.Command] = _runtime,
            };
            _loop = new(Link, session, runtimes, _settings, _stop, Clock, NullLogger.Instance);
            _beside = new();
            _ = new DirectivePoll(Link, session, _loop.Heeded, _loop.Direct, Clock, _settings.Random, NullLogger.Instance).RunAsync(_beside.Token);
        }
        catch (OperationCanceledException) when (_stop.Requested.IsCancellationRequested)
        {
            Exit(ExitCodes.Done);
        }
        catch (Exception unforeseen) when (unforeseen is not OutOfMemoryException)
        {
            _world.Fail($"{Name} failed: {unforeseen}");
        }
    }

    private void Over(SessionEnd end)
    {
        var incarnation = _session!.Incarnation;
        _checker.SessionEnded(incarnation, end);
        _beside!.Cancel();
        _loop!.Dispose();
        (_loop, _session) = (null, null);
        if (end != SessionEnd.Forgotten || _stop.Requested.IsCancellationRequested)
        {
            Exit(ExitCodes.Done);
            return;
        }

        _ = RegisterAsync(_world.NewId());
    }

    private void Exit(int code)
    {
        ExitCode = code;
        Kill();
    }
}
