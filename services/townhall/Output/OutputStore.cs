using Npgsql;
using Townhall.Contracts.Ids;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Api.Output;

/// <summary>Where a task stands, as far as somebody following its output cares.</summary>
/// <param name="Attempt">The newest attempt; 0 before the first.</param>
internal sealed record OutputState(bool Ended, int Attempt);

/// <summary>Every statement over <c>task_output</c> and <c>blob</c> in this service.</summary>
internal sealed class OutputStore(NpgsqlDataSource database, TownSettings town)
{
    /// <summary>Null when there is no such task.</summary>
    public async Task<OutputState?> StateAsync(TaskId id, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            SELECT false, attempt FROM task WHERE id = $1 AND town = $2
            UNION ALL
            SELECT true, attempt FROM task_history WHERE id = $1 AND town = $2
            """);
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = id.Value });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        return await row.ReadAsync(cancellationToken) ? new(row.GetBoolean(0), row.GetInt32(1)) : null;
    }

    /// <summary>What an attempt printed from <paramref name="offset"/> on, at most 4 chunks of at most 1 MiB.</summary>
    public async Task<IReadOnlyList<byte[]>> AfterAsync(TaskId id, int attempt, long offset, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            SELECT start_offset, bytes
            FROM task_output
            WHERE task_id = $1 AND epoch = $2 AND start_offset + length(bytes) > $3
            ORDER BY start_offset
            LIMIT 4
            """);
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = id.Value });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = attempt });
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = offset });
        var chunks = new List<byte[]>();
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken))
        {
            var start = row.GetInt64(0);
            var bytes = row.GetFieldValue<byte[]>(1);
            chunks.Add(start < offset ? bytes[(int)(offset - start)..] : bytes);
        }

        return chunks;
    }

    /// <summary>Stores bytes under their hash; bytes that are there already stay.</summary>
    public async Task PutBlobAsync(byte[] hash, byte[] bytes, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("INSERT INTO blob (town, hash, bytes) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = hash });
        command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = bytes });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>The bytes of a blob; null when there is none.</summary>
    public async Task<byte[]?> BlobAsync(byte[] hash, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT bytes FROM blob WHERE town = $1 AND hash = $2");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = hash });
        return (byte[]?)await command.ExecuteScalarAsync(cancellationToken);
    }
}
