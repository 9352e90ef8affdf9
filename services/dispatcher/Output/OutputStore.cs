using Npgsql;
using Townhall.Contracts.Ids;
using Townhall.Contracts.Workers;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Dispatcher.Output;

/// <summary>Keeps what attempts print, in order and without gaps, and blobs under the hash of their bytes.</summary>
internal sealed class OutputStore(NpgsqlDataSource database, TownSettings town)
{
    /// <summary>Appends a chunk if it continues what is stored; a chunk that is stored already is acknowledged again.</summary>
    public async Task<OutputVerdict> AppendAsync(WorkerId worker, OutputChunk chunk, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            WITH held AS (
                SELECT id FROM task
                WHERE id = $1 AND attempt = $2 AND lease_token = $3 AND lease_worker = $4
                FOR KEY SHARE
            ), stored AS (
                SELECT coalesce((SELECT start_offset + length(bytes) FROM task_output
                                 WHERE task_id = $1 AND epoch = $2 ORDER BY start_offset DESC LIMIT 1), 0) AS until
            ), added AS (
                INSERT INTO task_output (task_id, epoch, start_offset, bytes)
                SELECT $1, $2, $5, $6 FROM held, stored
                WHERE stored.until = $5 AND length($6) > 0
                ON CONFLICT DO NOTHING
                RETURNING start_offset + length(bytes) AS until
            )
            SELECT EXISTS (SELECT FROM held), coalesce((SELECT until FROM added), stored.until) FROM stored
            """);
        var lease = chunk.Lease;
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = lease.TaskId });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = lease.Epoch });
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = lease.Token });
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = worker.Value });
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = chunk.Offset });
        command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = chunk.Bytes });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        await row.ReadAsync(cancellationToken);
        var (held, next) = (row.GetBoolean(0), row.GetInt64(1));
        var verdict = !held ? Verdicts.Lost : next >= chunk.Offset + chunk.Bytes.Length ? Verdicts.Stored : Verdicts.Gap;
        return new(lease.TaskId, lease.Epoch, verdict, next);
    }

    /// <summary>Stores bytes under their hash; bytes that are there already stay.</summary>
    public async Task PutBlobAsync(byte[] hash, byte[] bytes, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(
            "INSERT INTO blob (town, hash, bytes) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = hash });
        command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = bytes });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
