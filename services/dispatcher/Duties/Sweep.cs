using Npgsql;
using Townhall.Dispatcher.Leases;
using Townhall.ServiceDefaults.Redis;

namespace Townhall.Dispatcher.Duties;

/// <summary>Looks once a second for what no ring announced: lost rings, delayed work whose time has come, a Redis that is away.</summary>
internal sealed partial class Sweep(
    IReaperStore store, ReadyAgents ready, LeasePump pump, Doorbell doorbell, SequencerBell sequencer, TimeProvider clock, ILogger<Sweep> logger)
    : BackgroundService
{
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Every, clock);
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
            // Stopping.
        }
    }

    internal async Task TurnAsync(CancellationToken cancellationToken)
    {
        try
        {
            foreach (var task in await store.ExpireDeadlinesAsync(cancellationToken))
            {
                // Its worker hears it now; without Redis, with its next renewal.
                doorbell.Ring(Doorbell.Control, task.ToString());
                sequencer.Ring();
            }

            foreach (var agent in await store.SweepAsync(cancellationToken))
            {
                ready.Ring(agent);
            }
        }
        catch (Exception failure) when (failure is NpgsqlException or TimeoutException)
        {
            LogFailed(failure.Message);
        }

        pump.Wake();
    }

    [LoggerMessage(LogLevel.Warning, "The sweep for startable work failed and comes again: {Reason}")]
    private partial void LogFailed(string reason);
}
