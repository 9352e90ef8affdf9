using Npgsql;

namespace Townhall.Dispatcher.Duties;

/// <summary>Forgets idempotency keys older than a day, and traces of tasks older than a week, every ten minutes, while this process leads.</summary>
internal sealed partial class KeyPruning(NpgsqlDataSource database, ILeadership leadership, TimeProvider clock, ILogger<KeyPruning> logger)
    : BackgroundService
{
    /// <summary>Rows of one statement: about 50 ms of work.</summary>
    private const int BatchMost = 5000;

    /// <summary>Between two batches of one turn, so that a day's keys never hold the database busy.</summary>
    private static readonly TimeSpan Breath = TimeSpan.FromMilliseconds(200);

    private static readonly TimeSpan Every = TimeSpan.FromMinutes(10);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Every, clock);
        try
        {
            do
            {
                await TurnAsync(BatchMost, stoppingToken);
            }
            while (await timer.WaitForNextTickAsync(stoppingToken));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping: the next leader goes on.
        }
    }

    /// <summary>Prunes batch by batch until nothing old is left or somebody else leads.</summary>
    internal async Task TurnAsync(int batchMost, CancellationToken cancellationToken)
    {
        try
        {
            foreach (var prune in (string[])["SELECT prune_idempotency($1)", "SELECT prune_traces($1)"])
            {
                while (leadership.Epoch is not null && await PruneAsync(prune, batchMost, cancellationToken) == batchMost)
                {
                    await Task.Delay(Breath, clock, cancellationToken);
                }
            }
        }
        catch (Exception failure) when (failure is NpgsqlException or TimeoutException)
        {
            LogFailed(failure.Message);
        }
    }

    private async Task<int> PruneAsync(string prune, int most, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(prune);
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = most });
        return (int)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    [LoggerMessage(LogLevel.Warning, "Old idempotency keys or traces could not be forgotten; the next turn tries again: {Reason}")]
    private partial void LogFailed(string reason);
}
