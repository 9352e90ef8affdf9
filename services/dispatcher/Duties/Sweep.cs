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
        // Apart: a deadline that cannot be kept must not hide what can start.
        await TryAsync("for deadlines", async () =>
        {
            foreach (var task in await store.ExpireDeadlinesAsync(cancellationToken))
            {
                // Its worker hears it now; without Redis, with its next renewal.
                doorbell.Ring(Doorbell.Control, task.ToString());
                sequencer.Ring();
            }
        });
        await TryAsync("for startable work", async () =>
        {
            foreach (var agent in await store.SweepAsync(cancellationToken))
            {
                ready.Ring(agent);
            }
        });
        pump.Wake();
    }

    private async Task TryAsync(string what, Func<Task> look)
    {
        try
        {
            await look();
        }
        catch (Exception failure) when (failure is NpgsqlException or TimeoutException)
        {
            LogFailed(what, failure.Message);
        }
    }

    [LoggerMessage(LogLevel.Warning, "The sweep {What} failed and comes again: {Reason}")]
    private partial void LogFailed(string what, string reason);
}
