using Npgsql;

namespace Townhall.ServiceDefaults.Health;

/// <summary>Whether Postgres takes a write.</summary>
public sealed class DatabaseReadiness(NpgsqlDataSource database, TimeProvider clock)
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(2);
    private readonly SharedReading<bool> _shared = new(TimeSpan.FromSeconds(1), clock);

    /// <summary>Asked at most once a second, however many ask.</summary>
    /// <returns>False when the database did not answer within 2 s, or is read-only (as after a failover).</returns>
    public Task<bool> IsReadyAsync(CancellationToken cancellationToken) => _shared.ReadAsync(AskAsync, cancellationToken);

    /// <summary>Asks now; for who shares the answer in a reading of its own.</summary>
    /// <returns>As <see cref="IsReadyAsync"/>.</returns>
    public async Task<bool> AskAsync()
    {
        using var deadline = new CancellationTokenSource(Deadline);
        try
        {
            await using var command = database.CreateCommand("SELECT NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off'");
            return await command.ExecuteScalarAsync(deadline.Token) is true;
        }
        catch (Exception failure) when (failure is NpgsqlException or OperationCanceledException or TimeoutException)
        {
            return false;   // the answer the caller asked for
        }
    }
}
