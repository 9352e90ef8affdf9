using Npgsql;
using Townhall.Dispatcher.Checkpoints;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Dispatcher.Duties;

/// <summary>Holds the town's one leadership: who seals the ledger and expires leases. Its epoch fences what the holder writes.</summary>
/// <remarks>Nobody leads a town whose ledger is not the one that was kept.</remarks>
internal sealed partial class Leadership(
    NpgsqlDataSource database, ILedgerGuard guard, TownSettings town, TimeProvider clock, ILogger<Leadership> logger)
    : BackgroundService, ILeadership
{
    private const string Duty = "dispatch";
    private static readonly TimeSpan Term = TimeSpan.FromSeconds(6);
    private static readonly TimeSpan RenewEvery = TimeSpan.FromSeconds(2);
    private readonly Guid _me = Guid.CreateVersion7();
    private long _epoch;
    private long _heldSince;

    /// <summary>The epoch of this process's leadership, or null while another leads. A holder that could not renew in time stops by itself.</summary>
    public long? Epoch =>
        Volatile.Read(ref _epoch) is > 0 and var epoch && clock.GetElapsedTime(Volatile.Read(ref _heldSince)) < Term ? epoch : null;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(RenewEvery, clock);
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
            await ResignAsync();
        }
    }

    /// <summary>Takes or keeps the leadership if it is free or ours.</summary>
    internal async Task TurnAsync(CancellationToken cancellationToken)
    {
        var asked = clock.GetTimestamp();
        var led = Epoch is not null;
        try
        {
            if (!await guard.CheckAsync(cancellationToken))
            {
                Volatile.Write(ref _epoch, 0);
                return;
            }

            await using var command = database.CreateCommand("""
                INSERT INTO leader AS held (town, duty, holder, epoch, until) VALUES ($1, $2, $3, 1, now() + $4)
                ON CONFLICT (town, duty) DO UPDATE
                SET holder = $3, until = now() + $4, epoch = held.epoch + (held.holder <> $3)::int
                WHERE held.holder = $3 OR held.until < now()
                RETURNING epoch
                """);
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = Duty });
            command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = _me });
            command.Parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = Term });
            var epoch = await command.ExecuteScalarAsync(cancellationToken) as long? ?? 0;
            Volatile.Write(ref _epoch, epoch);
            // Counted from when we asked: the database's term cannot have begun earlier.
            Volatile.Write(ref _heldSince, asked);
            // Also when it is the epoch of before: after an outage longer than the term this process had stopped leading.
            if (epoch > 0 && !led)
            {
                LogLeads(town.Name, epoch);
            }
        }
        catch (Exception failure) when (failure is NpgsqlException or TimeoutException)
        {
            LogRenewFailed(failure.Message);
        }
    }

    /// <summary>Lets the next one lead at once instead of after the term.</summary>
    private async Task ResignAsync()
    {
        using var bound = new CancellationTokenSource(TimeSpan.FromSeconds(2), clock);
        try
        {
            await using var command = database.CreateCommand("UPDATE leader SET until = now() WHERE town = $1 AND duty = $2 AND holder = $3");
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = Duty });
            command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = _me });
            await command.ExecuteNonQueryAsync(bound.Token);
        }
        catch (Exception failure) when (failure is NpgsqlException or TimeoutException or OperationCanceledException)
        {
            LogRenewFailed(failure.Message);     // the term ends it
        }

        Volatile.Write(ref _epoch, 0);
    }

    [LoggerMessage(LogLevel.Information, "Leads town {Town} in epoch {Epoch}: seals its ledger and expires its leases")]
    private partial void LogLeads(string town, long epoch);

    [LoggerMessage(LogLevel.Warning, "Leadership could not be renewed: {Reason}")]
    private partial void LogRenewFailed(string reason);
}
