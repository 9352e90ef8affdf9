using Npgsql;
using Townhall.Scaler.Demand;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Scaler.Signal;

/// <param name="AskedAt">When the reading was begun, on this process' own clock.</param>
internal sealed record ScalingReading(TownDemand Demand, AgentCounts Agents, ScalingDecision Decision, int RecommendedWorkers, long AskedAt);

/// <summary>The signal that all callers share: read at most once a second, and never older than 5 s when it is given.</summary>
/// <remarks>
/// What it costs has a bound, whatever the town's size: tasks are read for at most a tenth of the time, and at most about a thousand
/// agents are looked at in a second.
/// </remarks>
internal sealed partial class ScalingSignal(
    IDemandStore store, WorkBell bell, TownSettings town, SignalSettings settings, TimeProvider clock, ILogger<ScalingSignal> logger)
{
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(1);

    /// <summary>After a ring the last reading may be wrong already; under constant ringing this bounds the queries.</summary>
    private static readonly TimeSpan FreshAfterRing = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan OldMost = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ReadDeadline = TimeSpan.FromSeconds(2);

    /// <summary>From the beginning of a reading to the next one, in times of how long it took; <see cref="PeriodMost"/> at most.</summary>
    private const int PeriodTimes = 10;
    private static readonly TimeSpan PeriodMost = TimeSpan.FromSeconds(2.5);

    /// <summary>How long a count of agents is good for, for each of them; <see cref="CountFreshMost"/> at most.</summary>
    private static readonly TimeSpan CountFreshEach = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan CountFreshMost = TimeSpan.FromSeconds(10);
    private readonly QuietWindow _quiet = new(settings.QuietWindow, clock);
    private readonly Lock _gate = new();
    private Task _refresh = Task.CompletedTask;
    private ScalingReading? _last;
    private (AgentCounts Counts, long At)? _agents;
    private TimeSpan _period;
    private long _triedAt;
    private long _ringsSeen = -1;
    private bool _failing;

    /// <summary>As they are now: the ceiling may change while the process runs.</summary>
    public ScalingLimits Limits => new(town.MaxAgents, town.MaxWorkers, town.WorkerSlots);

    /// <returns>A reading at most 5 s old, or null when none could be had: an outage is not zero.</returns>
    public async Task<ScalingReading?> ReadAsync(CancellationToken cancellationToken)
    {
        try
        {
            // The driver takes its own time to let go of a query on a dead connection; callers do not wait for that.
            await Refreshed().WaitAsync(ReadDeadline, clock, cancellationToken);
        }
        catch (TimeoutException)
        {
            // Judged by age like any other reading.
        }

        return _last is { } last && clock.GetElapsedTime(last.AskedAt) <= OldMost ? last : null;
    }

    public TimeSpan AgeOf(ScalingReading reading) => clock.GetElapsedTime(reading.AskedAt);

    private Task Refreshed()
    {
        lock (_gate)
        {
            var since = _triedAt == 0 ? TimeSpan.MaxValue : clock.GetElapsedTime(_triedAt);
            if (_refresh.IsCompleted && since >= _period && (since >= Fresh || (since >= FreshAfterRing && bell.Rings != _ringsSeen)))
            {
                _triedAt = clock.GetTimestamp();
                _ringsSeen = bell.Rings;

                // Nobody's request owns it: the one that began it may go while others wait for it.
                _refresh = RefreshAsync();
            }

            return _refresh;
        }
    }

    private async Task RefreshAsync()
    {
        var askedAt = clock.GetTimestamp();
        using var deadline = new CancellationTokenSource(ReadDeadline, clock);
        try
        {
            var demand = await store.ReadAsync(deadline.Token);
            var period = clock.GetElapsedTime(askedAt) * PeriodTimes;
            _period = period < PeriodMost ? period : PeriodMost;
            var agents = await CountedAsync(deadline.Token);
            var decision = ScalingDecision.From(demand, agents, Limits);
            _last = new ScalingReading(demand, agents, decision, _quiet.Observe(decision.WantedWorkers), askedAt);
            if (_failing)
            {
                _failing = false;
                LogBack();
            }
        }
        catch (Exception away) when (away is NpgsqlException or OperationCanceledException or TimeoutException)
        {
            // The caller finds the last reading too old and says 503. The next try comes as soon as any.
            _period = TimeSpan.Zero;
            if (!_failing)
            {
                _failing = true;
                LogAway(away.GetType().Name);
            }
        }
    }

    /// <summary>No count of workers depends on these, so the last count serves for a while: the longer, the more agents there are.</summary>
    private async Task<AgentCounts> CountedAsync(CancellationToken cancellationToken)
    {
        if (_agents is { } known && clock.GetElapsedTime(known.At) is var age && age < CountFreshMost && age < known.Counts.All * CountFreshEach)
        {
            return known.Counts;
        }

        // Only one refresh is under way at a time, so nobody else sets this.
        var counts = await store.CountAgentsAsync(cancellationToken);
        _agents = (counts, clock.GetTimestamp());
        return counts;
    }

    [LoggerMessage(LogLevel.Warning, "The database does not answer ({Reason}); the signal says 503 until it does")]
    private partial void LogAway(string reason);

    [LoggerMessage(LogLevel.Information, "The database answers again")]
    private partial void LogBack();
}
