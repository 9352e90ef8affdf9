using Npgsql;
using Townhall.Dispatcher.Leases;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Dispatcher.Duties;

/// <summary>Ends leases and workers that ran out of time, while this process leads.</summary>
internal sealed partial class Reaper(
    IReaperStore store, ILeadership leadership, ReadyAgents ready, LeasePump pump, SequencerBell sequencer, TownSettings town,
    TimeProvider clock, ILogger<Reaper> logger) : BackgroundService
{
    private static readonly TimeSpan PartitionsEvery = TimeSpan.FromHours(1);
    private long _partitionsAt;
    private bool _broken;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(town.ReaperPeriod, clock);
        try
        {
            do
            {
                await TurnAsync(stoppingToken);
            }
            while (await timer.WaitForNextTickAsync(stoppingToken));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping: the next leader goes on.
        }
    }

    internal async Task TurnAsync(CancellationToken cancellationToken)
    {
        if (leadership.Epoch is not { } epoch)
        {
            // What could not begin stays remembered: an outage that also costs the leadership is still an outage.
            return;
        }

        var begun = false;
        try
        {
            if (_partitionsAt == 0 || clock.GetElapsedTime(_partitionsAt) > PartitionsEvery)
            {
                await store.EnsurePartitionsAsync(cancellationToken);
                _partitionsAt = clock.GetTimestamp();
            }

            var allowed = await store.BeginAsync(epoch, _broken, cancellationToken);
            begun = true;
            _broken = false;
            if (!allowed)
            {
                return;
            }

            IReadOnlyList<Guid> agents;
            do
            {
                agents = await store.ExpireAsync(cancellationToken);
                foreach (var agent in agents)
                {
                    ready.Ring(agent);
                }

                if (agents.Count > 0)
                {
                    LogExpired(agents.Count);
                    sequencer.Ring();
                    pump.Wake();
                }
            }
            while (agents.Count > 0);

            if (await store.LoseSilentWorkersAsync(cancellationToken) is > 0 and var lost)
            {
                LogLost(lost);
                sequencer.Ring();
            }
        }
        catch (Exception failure) when (failure is NpgsqlException or TimeoutException)
        {
            // Where a turn cannot even begin, no worker could renew through us either. What fails later is the turn's own trouble.
            _broken |= !begun;
            LogFailed(failure.Message);
        }
    }

    [LoggerMessage(LogLevel.Warning, "{Count} leases ran out without an answer; their tasks are offered again or buried")]
    private partial void LogExpired(int count);

    [LoggerMessage(LogLevel.Warning, "{Count} workers were not heard of for two leases and count as lost")]
    private partial void LogLost(int count);

    [LoggerMessage(LogLevel.Warning, "The reaper's turn failed and comes again: {Reason}")]
    private partial void LogFailed(string reason);
}
