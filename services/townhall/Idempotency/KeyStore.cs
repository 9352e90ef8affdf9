using Npgsql;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Api.Idempotency;

/// <summary>How a call with a key ended.</summary>
internal abstract record KeyOutcome
{
    /// <summary>Made and kept, by this call or (<paramref name="Replayed"/>) by an earlier one.</summary>
    public sealed record Answered(int Status, string Response, bool Replayed) : KeyOutcome;

    /// <summary>The key was used with another body; nothing was made.</summary>
    public sealed record Reused : KeyOutcome;

    /// <summary>The call made nothing, so its key is unused still.</summary>
    public sealed record NothingMade : KeyOutcome;
}

/// <summary>Every statement over <c>idempotency</c> in this service, except those of <c>accept_tasks</c>.</summary>
internal sealed class KeyStore(NpgsqlDataSource database, TownSettings town)
{
    /// <summary>Runs <paramref name="make"/> in a transaction that also keeps its answer under the key, unless the key has one.</summary>
    /// <param name="make">Makes what was asked on the connection and answers the response to keep, or null when it refuses.
    /// May run although another call's answer wins; then what it made is rolled back.</param>
    /// <exception cref="NpgsqlException">The database failed; whether anything was made is not known.</exception>
    public async Task<KeyOutcome> OnceAsync(
        string principal, IdempotencyKey key, Guid made, int status,
        Func<NpgsqlConnection, CancellationToken, Task<string?>> make, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        if (await FindAsync(connection, principal, key, cancellationToken) is { } before)
        {
            return before;
        }

        await using (var transaction = await connection.BeginTransactionAsync(cancellationToken))
        {
            // The key last: the same call in flight elsewhere is then waited for once, and one of the two is rolled back whole.
            if (await make(connection, cancellationToken) is { } response
                && await KeepAsync(connection, principal, key, made, status, response, cancellationToken))
            {
                await transaction.CommitAsync(cancellationToken);
                return new KeyOutcome.Answered(status, response, Replayed: false);
            }

            await transaction.RollbackAsync(cancellationToken);
        }

        // Refused, perhaps by what the same call had just made elsewhere: then its answer is there now.
        return await FindAsync(connection, principal, key, cancellationToken) ?? new KeyOutcome.NothingMade();
    }

    private async Task<KeyOutcome?> FindAsync(
        NpgsqlConnection connection, string principal, IdempotencyKey key, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("""
            SELECT body_sha256, status, response FROM idempotency WHERE town = $1 AND principal = $2 AND key = $3
            """, connection);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = principal });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = key.Key });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        return !await row.ReadAsync(cancellationToken) ? null
            : key.IsOf(row.GetFieldValue<byte[]>(0)) ? new KeyOutcome.Answered(row.GetInt16(1), row.GetString(2), Replayed: true)
            : new KeyOutcome.Reused();
    }

    private async Task<bool> KeepAsync(
        NpgsqlConnection connection, string principal, IdempotencyKey key, Guid made, int status, string response,
        CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("""
            INSERT INTO idempotency (town, principal, key, body_sha256, made, status, response)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
            ON CONFLICT DO NOTHING
            """, connection);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = principal });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = key.Key });
        command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = key.Hash });
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = made });
        command.Parameters.Add(new NpgsqlParameter<short> { TypedValue = (short)status });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = response });
        return await command.ExecuteNonQueryAsync(cancellationToken) == 1;
    }
}
