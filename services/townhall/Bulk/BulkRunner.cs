using Npgsql;
using Townhall.ServiceDefaults.Redis;

namespace Townhall.Api.Bulk;

/// <summary>Does confirmed selections, batch by batch, also those that another process began.</summary>
internal sealed partial class BulkRunner(BulkStore store, Doorbell doorbell, TimeProvider clock, ILogger<BulkRunner> logger) : BackgroundService
{
    /// <summary>How long a selection whose process died waits at most.</summary>
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan PruneEvery = TimeSpan.FromMinutes(10);
    private const int PruneMost = 10;
    private readonly SemaphoreSlim _confirmed = new(0);
    private long _prunedAt = clock.GetTimestamp();

    /// <summary>Something was confirmed.</summary>
    public void Ring() => _confirmed.Release();

    public override void Dispose()
    {
        _confirmed.Dispose();
        base.Dispose();
    }

    /// <summary>Does everything that is confirmed, and forgets what is old.</summary>
    internal async Task TurnAsync(CancellationToken cancellationToken)
    {
        try
        {
            while (await store.StepAsync(cancellationToken) is { } action)
            {
                doorbell.Ring(action == "cancel" ? Doorbell.Control : Doorbell.Work, Doorbell.Everything);
            }

            if (clock.GetElapsedTime(_prunedAt) > PruneEvery)
            {
                await store.PruneAsync(PruneMost, cancellationToken);
                _prunedAt = clock.GetTimestamp();
            }
        }
        catch (Exception failure) when (failure is NpgsqlException or TimeoutException)
        {
            LogFailed(failure.Message);
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (true)
            {
                await TurnAsync(stoppingToken);
                await _confirmed.WaitAsync(Every, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping: whole batches are done, and another process goes on with the rest.
        }
    }

    [LoggerMessage(LogLevel.Warning, "A batch of a selection failed and comes again: {Reason}")]
    private partial void LogFailed(string reason);
}
