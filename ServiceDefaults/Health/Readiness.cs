using Npgsql;

namespace Townhall.ServiceDefaults.Health;

/// <summary>Whether Postgres takes a write, asked at most once a second however many ask.</summary>
public sealed class DatabaseReadiness(NpgsqlDataSource database, TimeProvider clock) : IDisposable
{
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(2);
    private readonly SemaphoreSlim _one = new(1, 1);
    private long _askedAt;
    private bool _ready;

    /// <returns>False when the database did not answer within 2 s, or is read-only (as after a failover).</returns>
    public async Task<bool> IsReadyAsync(CancellationToken cancellationToken)
    {
        await _one.WaitAsync(cancellationToken);
        try
        {
            if (_askedAt != 0 && clock.GetElapsedTime(_askedAt) < Fresh)
            {
                return _ready;
            }

            _ready = await AskAsync(cancellationToken);
            _askedAt = clock.GetTimestamp();
            return _ready;
        }
        finally
        {
            _one.Release();
        }
    }

    public void Dispose() => _one.Dispose();

    private async Task<bool> AskAsync(CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(Deadline);
        try
        {
            await using var command = database.CreateCommand("SELECT NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off'");
            return await command.ExecuteScalarAsync(deadline.Token) is true;
        }
        catch (Exception failure) when (failure is NpgsqlException or OperationCanceledException or TimeoutException
            && !cancellationToken.IsCancellationRequested)
        {
            return false;   // the answer the caller asked for
        }
    }
}
