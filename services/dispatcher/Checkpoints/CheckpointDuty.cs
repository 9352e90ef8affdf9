using Npgsql;
using Townhall.Dispatcher.Duties;

namespace Townhall.Dispatcher.Checkpoints;

/// <summary>Signs where the ledger stands, once a period while it grows and this process leads, and once more when it stops.</summary>
internal sealed partial class CheckpointDuty(
    LedgerGuard guard, ILeadership leadership, CheckpointSettings settings, TimeProvider clock, ILogger<CheckpointDuty> logger) : BackgroundService
{
    private static readonly TimeSpan LastMost = TimeSpan.FromSeconds(2);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(settings.Period, clock);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                await TurnAsync(stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // So that also a town that lives shorter than a period leaves one.
            using var bound = new CancellationTokenSource(LastMost, clock);
            await TurnAsync(bound.Token);
        }
    }

    /// <summary>Makes one if there is something new to say.</summary>
    internal async Task TurnAsync(CancellationToken cancellationToken)
    {
        if (leadership.Epoch is null)
        {
            return;
        }

        try
        {
            await guard.SignAsync(cancellationToken);
        }
        catch (Exception failure) when (failure is NpgsqlException or TimeoutException or IOException or UnauthorizedAccessException or OperationCanceledException)
        {
            LogFailed(failure.Message);
        }
    }

    [LoggerMessage(LogLevel.Warning, "No checkpoint of the ledger could be kept; the next turn tries again: {Reason}")]
    private partial void LogFailed(string reason);
}
