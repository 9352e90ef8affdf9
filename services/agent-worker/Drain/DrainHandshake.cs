using Microsoft.Extensions.Logging;
using Townhall.Contracts.Workers;
using Townhall.Worker.Protocol;
using Townhall.Worker.Registration;
using Townhall.Worker.Settings;

namespace Townhall.Worker.Drain;

/// <summary>Knows when this worker should ask to end, and asks. The dispatcher decides, under the lock that leasing takes too.</summary>
/// <remarks>Its state belongs to the work loop's turns; only <see cref="AskAsync"/> runs beside them.</remarks>
internal sealed partial class DrainHandshake(
    IDispatcher dispatcher, Session session, WorkerSettings settings, TimeProvider clock, ILogger logger)
{
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ShortestPause = TimeSpan.FromMilliseconds(100);

    // Between the end of the grace and the moment a host loses patience (10 s): time to kill, settle and leave.
    private static readonly TimeSpan LastCalls = TimeSpan.FromSeconds(1.5);

    private readonly TimeSpan _idleTimeout = TimeSpan.FromSeconds(session.Reply.IdleTimeoutSecs);
    private long _idleSince = clock.GetTimestamp();
    private long _stoppingSince;
    private TimeSpan _patience = TimeSpan.FromSeconds(session.Reply.IdleTimeoutSecs);
    private bool _toldToDrain;
    private bool _asking;
    private bool _askedToStop;

    /// <summary>True once the process was told to stop.</summary>
    public bool IsStopping { get; private set; }

    /// <summary>True once the dispatcher has agreed, or was asked in vain for long enough.</summary>
    public bool Answered { get; private set; }

    public bool MayLease => !IsStopping && !_toldToDrain;

    public bool IsDraining => _toldToDrain;

    /// <summary>The grace for running attempts is over.</summary>
    public bool GraceIsOver => IsStopping && clock.GetElapsedTime(_stoppingSince) >= settings.Drain;

    /// <summary>The host will not wait any longer.</summary>
    public bool TimeIsUp => IsStopping && clock.GetElapsedTime(_stoppingSince) >= settings.Drain + LastCalls;

    /// <summary>Something happened; idleness counts from now.</summary>
    public void Worked()
    {
        _idleSince = clock.GetTimestamp();
        _patience = _toldToDrain ? TimeSpan.Zero : _idleTimeout;
    }

    public void ToldToDrain()
    {
        if (!_toldToDrain)
        {
            _toldToDrain = true;
            _patience = TimeSpan.Zero;
            LogDraining();
        }
    }

    /// <summary>The process was told to stop: grace begins.</summary>
    public void StopNow()
    {
        if (!IsStopping)
        {
            IsStopping = true;
            _stoppingSince = clock.GetTimestamp();
            LogStopping(settings.Drain);
        }
    }

    /// <summary>The reason to ask now, or null.</summary>
    public string? ReasonToAsk(int held)
    {
        if (_asking || Answered)
        {
            return null;
        }

        // When stopping we ask at once, since the answer also names leases whose grant we never heard of.
        // Asked again when nothing is held any more: only that yes makes it a drained worker, not a lost one.
        if (IsStopping)
        {
            return !_askedToStop || held == 0 ? "stopping" : null;
        }

        return held > 0 || UntilNextStep(held) is not { } left || left > TimeSpan.Zero ? null : _toldToDrain ? "stopping" : "idle";
    }

    public TimeSpan? UntilNextStep(int held)
    {
        if (IsStopping)
        {
            var bound = GraceIsOver ? settings.Drain + LastCalls : settings.Drain;
            return bound - clock.GetElapsedTime(_stoppingSince);
        }

        var wantsToEnd = _toldToDrain || (settings.ExitWhenIdle && _idleTimeout > TimeSpan.Zero);
        return held == 0 && !_asking && wantsToEnd ? _patience - clock.GetElapsedTime(_idleSince) : null;
    }

    public void Asking() => _asking = true;

    /// <summary>Asks once; while stopping, until there is an answer or the time is up.</summary>
    /// <returns>The reply, or null when there was none.</returns>
    public async Task<DrainReply?> AskAsync(string reason)
    {
        var request = new DrainRequest(Guid.CreateVersion7(), reason);
        var backoff = new Backoff(TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(1), clock, settings.Random);
        while (true)
        {
            switch (await dispatcher.DrainAsync(session.Token, request, CancellationToken.None))
            {
                case Answer<DrainReply>.Given(var reply):
                    return reply;
                case Answer<DrainReply>.TokenRefused(var status):
                    session.End(status);
                    return null;
                case Answer<DrainReply>.Unknown when !TimeIsUp:
                    await backoff.PauseAsync(CancellationToken.None);
                    break;
                case Answer<DrainReply>.Refused(var status, var detail):
                    LogRefused(status, detail);
                    return null;
                default:
                    return null;
            }
        }
    }

    /// <summary>Takes an answer into account.</summary>
    public void Heard(DrainReply? reply, string reason)
    {
        _asking = false;
        if (reply is { Drained: true } || (IsStopping && reason == "stopping" && (reply is null || _askedToStop)))
        {
            Answered = true;
            return;
        }

        if (IsStopping && reason == "stopping")
        {
            _askedToStop = true;
            return;
        }

        // Refused: work is waiting or still held. Asking again at once would race the lease that is about to come.
        _idleSince = clock.GetTimestamp();
        _patience = _idleTimeout < ShortestPause ? ShortestPause : _idleTimeout < LongestPause ? _idleTimeout : LongestPause;
    }

    [LoggerMessage(LogLevel.Information, "Told to drain: nothing new is taken, what runs is finished")]
    private partial void LogDraining();

    [LoggerMessage(LogLevel.Information, "Told to stop: nothing new is taken, what runs has {Grace} to finish and is released then")]
    private partial void LogStopping(TimeSpan grace);

    [LoggerMessage(LogLevel.Warning, "The dispatcher refused to drain this worker ({Status}: {Detail})")]
    private partial void LogRefused(int status, string detail);
}
