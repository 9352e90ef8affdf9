using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Townhall.Contracts.Tasks;
using Townhall.Contracts.Workers;
using Townhall.Worker.Directives;
using Townhall.Worker.Drain;
using Townhall.Worker.Lifetime;
using Townhall.Worker.Protocol;
using Townhall.Worker.Registration;
using Townhall.Worker.Runtimes;
using Townhall.Worker.Settings;
using Townhall.Worker.Settling;

namespace Townhall.Worker.Leasing;

/// <summary>Holds the leases of one session: asks for as many as there are free slots, runs them, renews them, lets them go.</summary>
/// <remarks>
/// One turn at a time changes the state; whatever happens elsewhere is posted here. Renewals start in a turn and nowhere
/// else, so a loop that hangs renews nothing: its attempts freeze at their fences and are given to others.
/// </remarks>
internal sealed partial class WorkLoop : IDisposable
{
    // Bounds what a dispatcher that is away can make us hold; far more than a batch, far less than memory.
    private const int LeastUndelivered = 1024;
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan RenewAgain = TimeSpan.FromMilliseconds(250);

    private readonly Dictionary<AttemptKey, Attempt> _held = [];
    private readonly ConcurrentQueue<Action> _inbox = [];
    private readonly Doorbell _doorbell;
    private readonly CancellationTokenSource _leaseStop = new();
    private readonly Session _session;
    private readonly LeaseCalls _calls;
    private readonly DrainHandshake _drain;
    private readonly SettleQueue _settles;
    private readonly IReadOnlyDictionary<string, IAgentRuntime> _runtimes;
    private readonly WorkerSettings _settings;
    private readonly StopSignal _stop;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;

    private TimeSpan _shortestLease = TimeSpan.FromSeconds(30);
    private long _renewNotBefore;
    private int _running;
    private bool _leasing;
    private bool _renewing;

    public WorkLoop(
        IDispatcher dispatcher, Session session, IReadOnlyDictionary<string, IAgentRuntime> runtimes, WorkerSettings settings,
        StopSignal stop, TimeProvider clock, ILogger logger)
    {
        (_session, _runtimes, _settings, _stop, _clock, _logger) = (session, runtimes, settings, stop, clock, logger);
        _doorbell = new Doorbell(clock);
        _calls = new LeaseCalls(dispatcher, session, clock, settings.Random, logger);
        _drain = new DrainHandshake(dispatcher, session, settings, clock, logger);
        _settles = new SettleQueue(dispatcher, session, leases => Post(() => Settled(leases)), clock, settings.Random, logger);
        _renewNotBefore = clock.GetTimestamp();
    }

    /// <summary>What was done about directives.</summary>
    public Heeded Heeded { get; } = new();

    /// <summary>Works until the session is over, this worker is drained, or it was told to stop.</summary>
    public async Task<SessionEnd> RunAsync()
    {
        await using var over = _session.Over.Register(_doorbell.Ring);
        await using var requested = _stop.Requested.Register(_doorbell.Ring);
        await using var forced = _stop.Forced.Register(_doorbell.Ring);
        while (true)
        {
            if (Turn() is { } end)
            {
                return end;
            }

            await _doorbell.WaitAsync(UntilNextTurn(), CancellationToken.None);
        }
    }

    /// <summary>One turn: takes what happened, then begins what is due. It never waits.</summary>
    /// <returns>How the session has ended, or null while it goes on.</returns>
    internal SessionEnd? Turn()
    {
        while (_inbox.TryDequeue(out var happened))
        {
            happened();
        }

        if (End() is { } end)
        {
            return end;
        }

        if (_session.Over.IsCancellationRequested)
        {
            // Asking for anything would be refused at once, and asked again at once.
            return null;
        }

        StartLeasing();
        StartRenewing();
        StartDraining();
        return null;
    }

    public void Dispose()
    {
        foreach (var attempt in _held.Values)
        {
            attempt.Dispose();
        }

        _leaseStop.Dispose();
        _settles.Dispose();
    }

    /// <summary>Takes a directive in the next turn.</summary>
    public void Direct(Directive directive) => Post(() => Apply(directive));

    /// <summary>An attempt turned out to belong to somebody else.</summary>
    public void Lose(LeaseRef lease) => Post(() => Lost(AttemptKey.Of(lease)));

    private void Post(Action happened)
    {
        _inbox.Enqueue(happened);
        _doorbell.Ring();
    }

    private void StartLeasing()
    {
        var free = _settings.Slots - _running;
        var alone = _held.Values.Any(static attempt => attempt.Lease.Alone && !attempt.IsFinished);
        if (_leasing || free <= 0 || alone || !_drain.MayLease || _settles.Undelivered > Math.Max(LeastUndelivered, 4 * _settings.Slots))
        {
            return;
        }

        _leasing = true;
        Unforeseen.EndsTheProcess(LeaseAsync(free));
    }

    private async Task LeaseAsync(int free)
    {
        // The lease counts from when we asked, so asking for long would eat it up: a sixth of it is what waiting may cost.
        var wait = _shortestLease / 6 < LongestWait ? _shortestLease / 6 : LongestWait;
        var leased = await _calls.LeaseAsync(free, wait, _leaseStop.Token);
        Post(() => Leased(leased));
    }

    private void Leased(LeaseCalls.Leased? leased)
    {
        _leasing = false;
        if (leased is not { Reply: var reply })
        {
            return;
        }

        if (reply.Draining)
        {
            _drain.ToldToDrain();
        }

        List<AttemptResult> ended = [];
        foreach (var lease in reply.Leases)
        {
            if (_held.ContainsKey(AttemptKey.Of(lease)))
            {
                continue;
            }

            if (_drain.IsStopping)
            {
                ended.Add(Results.Released(new LeaseRef(lease.TaskId, lease.Epoch, lease.Token)));
                continue;
            }

            if (Start(lease, leased.SentAt) is { } result)
            {
                ended.Add(result);
            }
        }

        _settles.Add(ended);
        // An empty answer is idleness going on, not work.
        if (reply.Leases.Length > 0)
        {
            _drain.Worked();
        }
    }

    /// <returns>The result where the attempt ended at once.</returns>
    private AttemptResult? Start(Lease lease, long sentAt)
    {
        var known = _runtimes.TryGetValue(lease.Runtime, out var runtime);
        var attempt = new Attempt(lease, sentAt, _clock, known && runtime!.HasProcess);
        var length = TimeSpan.FromSeconds(lease.LeaseSecs);
        _shortestLease = _held.Count == 0 || length < _shortestLease ? length : _shortestLease;
        _held.Add(attempt.Key, attempt);
        if (!known)
        {
            return attempt.Told(Results.Failed(
                attempt, FailureCodes.UnknownRuntime, $"This worker does not offer the runtime '{lease.Runtime}'.", Results.NoSandbox));
        }

        if (!runtime!.HasProcess)
        {
            var pending = runtime.RunAsync(attempt);
            if (pending.IsCompletedSuccessfully)
            {
                return attempt.Told(pending.GetAwaiter().GetResult());
            }
        }

        _running++;
        LogStarted(lease.TaskId, lease.Epoch, lease.AgentName);
        Unforeseen.EndsTheProcess(RunAsync(runtime, attempt));
        return null;
    }

    private async Task RunAsync(IAgentRuntime runtime, Attempt attempt)
    {
        // Starting a process takes a while; the turn goes on meanwhile.
        await Task.Yield();
        var result = await runtime.RunAsync(attempt);
        Post(() => Ended(attempt, result));
    }

    private void Ended(Attempt attempt, AttemptResult result)
    {
        _running--;
        LogEnded(attempt.Lease.TaskId, attempt.Lease.Epoch, result.Outcome, result.FailureCode, (long)result.WallMs);
        result = attempt.Told(result);
        if (attempt.Reason == EndReason.Lost)
        {
            Forget(attempt.Key);
        }
        else
        {
            attempt.Finish();
            _settles.Add([result]);
        }

        _drain.Worked();
    }

    private void Settled(IReadOnlyList<LeaseRef> leases)
    {
        foreach (var lease in leases)
        {
            Forget(AttemptKey.Of(lease));
        }

        _drain.Worked();
    }

    private void Forget(AttemptKey key)
    {
        if (_held.Remove(key, out var attempt))
        {
            Heeded.Paused(key, false);
            attempt.Dispose();
        }
    }

    private void Lost(AttemptKey key)
    {
        // A finished attempt waits for the answer to its result, which says the same with more authority.
        if (_held.TryGetValue(key, out var attempt) && !attempt.IsFinished)
        {
            LogLost(key.TaskId, key.Epoch);
            attempt.End(EndReason.Lost);
        }
    }

    private void StartRenewing()
    {
        if (_renewing || _clock.GetTimestamp() < _renewNotBefore || !_held.Values.Any(static attempt => attempt.UntilRenewal <= TimeSpan.Zero))
        {
            return;
        }

        _renewing = true;
        Unforeseen.EndsTheProcess(RenewAsync([.. _held.Values.Select(static attempt => attempt.Reference)]));
    }

    private async Task RenewAsync(LeaseRef[] leases)
    {
        var renewed = await _calls.RenewAsync(leases, _shortestLease, CancellationToken.None);
        Post(() => Renewed(renewed));
    }

    private void Renewed((RenewReply Reply, long SentAt)? renewed)
    {
        _renewing = false;
        if (renewed is not var (reply, sentAt))
        {
            var pause = _shortestLease / 20 < RenewAgain ? _shortestLease / 20 : RenewAgain;
            _renewNotBefore = _clock.GetTimestamp() + (long)(pause.TotalSeconds * _clock.TimestampFrequency);
            return;
        }

        foreach (var verdict in reply.Leases)
        {
            var key = new AttemptKey(verdict.TaskId, verdict.Epoch);
            if (!_held.TryGetValue(key, out var attempt))
            {
                continue;
            }

            switch (verdict.Verdict)
            {
                case Verdicts.Held:
                    attempt.Renewed(sentAt, TimeSpan.FromSeconds(verdict.LeaseSecs));
                    break;
                case Verdicts.Cancel:
                    attempt.Renewed(sentAt, TimeSpan.FromSeconds(verdict.LeaseSecs));
                    attempt.End(EndReason.Cancelled);
                    break;
                case Verdicts.Lost:
                    Lost(key);
                    break;
            }
        }
    }

    /// <summary>How long nothing is due if nothing happens; null for ever.</summary>
    internal TimeSpan? UntilNextTurn()
    {
        var next = _drain.UntilNextStep(_held.Count);
        if (_forcedSince != 0 && UntilForced is var last)
        {
            next = next is { } bound && bound < last ? bound : last;
        }

        if (_forgottenSince != 0)
        {
            // No renewal, no drain: the end is all that is left to wait for.
            return UntilForgotten;
        }

        if (!_renewing && _held.Count > 0)
        {
            var renewal = _held.Values.Min(static attempt => attempt.UntilRenewal);
            var allowed = _clock.GetElapsedTime(_clock.GetTimestamp(), _renewNotBefore);
            renewal = renewal > allowed ? renewal : allowed;
            next = next is { } step && step < renewal ? step : renewal;
        }

        return next;
    }

    [LoggerMessage(LogLevel.Information, "{TaskId} attempt {Epoch} starts for agent '{AgentName}'")]
    private partial void LogStarted(Guid taskId, int epoch, string agentName);

    [LoggerMessage(LogLevel.Information, "{TaskId} attempt {Epoch} ended: {Outcome} {FailureCode} after {WallMs} ms")]
    private partial void LogEnded(Guid taskId, int epoch, string outcome, string? failureCode, long wallMs);

    [LoggerMessage(LogLevel.Warning, "The lease of {TaskId} attempt {Epoch} is lost; its processes are ended and its result is not reported")]
    private partial void LogLost(Guid taskId, int epoch);
}
