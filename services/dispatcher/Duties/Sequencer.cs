using System.Globalization;
using Npgsql;
using Townhall.Ledger;
using Townhall.ServiceDefaults.Redis;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Dispatcher.Duties;

/// <summary>Seals pending ledger entries while this process leads, and rings for those who follow the log.</summary>
internal sealed partial class Sequencer(
    LedgerChain chain, Leadership leadership, SequencerBell bell, Doorbell doorbell, TownSettings town, TimeProvider clock,
    ILogger<Sequencer> logger) : BackgroundService
{
    private const int BatchMost = 2000;
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);

    /// <summary>Under load entries gather this long: a batch costs one commit whatever its size.</summary>
    private static readonly TimeSpan Gather = TimeSpan.FromMilliseconds(20);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (true)
            {
                await bell.WaitAsync(LookEvery, clock, stoppingToken);
                await TurnAsync(stoppingToken);
                await Task.Delay(Gather, clock, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping: the next leader seals the rest.
        }
    }

    /// <summary>Seals everything that waits, in bounded batches, and folds the task counters; nothing while another process leads.</summary>
    /// <returns>How many entries were sealed.</returns>
    internal async Task<long> TurnAsync(CancellationToken cancellationToken)
    {
        var total = 0L;
        try
        {
            while (leadership.Epoch is not null)
            {
                var (sealedNow, more) = await chain.SealAllAsync(
                    town.Name, () => leadership.Epoch, BatchMost,
                    head => doorbell.Ring(Doorbell.Ledger, head.ToString(CultureInfo.InvariantCulture)), cancellationToken);
                total += sealedNow;
                if (await chain.FoldAsync(town.Name, cancellationToken) && !more)
                {
                    break;
                }
            }
        }
        catch (Exception failure) when (failure is NpgsqlException or TimeoutException)
        {
            LogSealFailed(failure.Message);
        }

        return total;
    }

    [LoggerMessage(LogLevel.Warning, "Sealing the ledger failed, entries wait: {Reason}")]
    private partial void LogSealFailed(string reason);
}
