using Npgsql;

namespace Townhall.Ledger.Checkpoints;

/// <summary>A town's chain as its guard looks at it.</summary>
/// <param name="Seq">Where the head row stands.</param>
/// <param name="Hash">The head row's hash.</param>
/// <param name="At">The database's clock.</param>
/// <param name="Latest">The checkpoint that the table holds as the last one made.</param>
/// <param name="Alarm">What somebody else's kept checkpoint remembers, and the ledger does not.</param>
public sealed record ChainStanding(long Seq, byte[] Hash, DateTime At, Checkpoint? Latest, ChainAlarm? Alarm);

/// <summary>A kept place that the ledger does not hold.</summary>
public sealed record ChainAlarm(long Seq, byte[] Hash, string Reason, DateTime FoundAt);

/// <summary>The database's side of checkpoints: the chain they speak of, and the tables that readers fetch them from.</summary>
public sealed class CheckpointTable(NpgsqlDataSource database)
{
    private const string Columns = "town, seq, hash, at, key_id, signature";

    /// <summary>Head, clock, last checkpoint and alarm.</summary>
    /// <exception cref="NpgsqlException">The database failed.</exception>
    public async Task<ChainStanding> StandingAsync(string town, CancellationToken cancellationToken)
    {
        await using var batch = database.CreateBatch();
        Add(batch, "SELECT seq, hash, clock_timestamp() FROM ledger_head WHERE town = $1", town);
        Add(batch, $"SELECT {Columns} FROM ledger_checkpoint WHERE town = $1 ORDER BY id DESC LIMIT 1", town);
        Add(batch, "SELECT seq, hash, reason, found_at FROM ledger_alarm WHERE town = $1", town);
        await using var row = await batch.ExecuteReaderAsync(cancellationToken);
        if (!await row.ReadAsync(cancellationToken))
        {
            throw new InvalidOperationException($"Town {town} has no ledger head; it is made when the town is.");
        }

        var (seq, hash, at) = (row.GetInt64(0), row.GetFieldValue<byte[]>(1), row.GetDateTime(2));
        await row.NextResultAsync(cancellationToken);
        var latest = await row.ReadAsync(cancellationToken) ? Read(row, 0) : null;
        await row.NextResultAsync(cancellationToken);
        var alarm = await row.ReadAsync(cancellationToken)
            ? new ChainAlarm(row.GetInt64(0), row.GetFieldValue<byte[]>(1), row.GetString(2), row.GetDateTime(3))
            : null;
        return new(seq, hash, at, latest, alarm);
    }

    /// <summary>The hash of the entry at a position; the genesis hash for 0, null where there is no entry.</summary>
    public async Task<byte[]?> HashAtAsync(string town, long seq, CancellationToken cancellationToken)
    {
        if (seq == 0)
        {
            return LedgerHash.Genesis;
        }

        await using var command = database.CreateCommand("SELECT hash FROM ledger WHERE town = $1 AND seq = $2");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town });
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = seq });
        return await command.ExecuteScalarAsync(cancellationToken) as byte[];
    }

    /// <summary>Lets readers find a checkpoint.</summary>
    public async Task PublishAsync(Checkpoint checkpoint, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand($"INSERT INTO ledger_checkpoint ({Columns}) VALUES ($1, $2, $3, $4, $5, $6)");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = checkpoint.Town });
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = checkpoint.Seq });
        command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = checkpoint.Hash });
        command.Parameters.Add(new NpgsqlParameter<DateTime> { TypedValue = checkpoint.At });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = checkpoint.KeyId });
        command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = checkpoint.Signature });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Lets readers find the public key.</summary>
    public async Task PublishAsync(string town, CheckpointKey key, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(
            "INSERT INTO ledger_key (town, key_id, public_key) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = key.Public.Id });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = key.PublicPem });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Tells every other process of the town.</summary>
    public async Task RaiseAsync(string town, long seq, byte[] hash, string reason, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            INSERT INTO ledger_alarm AS a (town, seq, hash, reason) VALUES ($1, $2, $3, $4)
            ON CONFLICT (town) DO UPDATE SET seq = $2, hash = $3, reason = $4, found_at = now()
            WHERE (a.seq, a.hash, a.reason) IS DISTINCT FROM ($2, $3, $4)
            """);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town });
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = seq });
        command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = hash });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = reason });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Takes the alarm back.</summary>
    public async Task ClearAsync(string town, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("DELETE FROM ledger_alarm WHERE town = $1");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Checkpoints in the order of their making, each with its place in that order.</summary>
    public async Task<IReadOnlyList<(long Id, Checkpoint Checkpoint)>> AfterAsync(
        string town, long after, int most, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(
            $"SELECT id, {Columns} FROM ledger_checkpoint WHERE town = $1 AND id > $2 ORDER BY id LIMIT $3");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town });
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = after });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = most });
        var checkpoints = new List<(long, Checkpoint)>();
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken))
        {
            checkpoints.Add((row.GetInt64(0), Read(row, 1)));
        }

        return checkpoints;
    }

    /// <summary>Every key that signed for the town, the oldest first.</summary>
    public async Task<IReadOnlyList<(string Id, string Pem, DateTime Since)>> KeysAsync(string town, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT key_id, public_key, since FROM ledger_key WHERE town = $1 ORDER BY since, key_id LIMIT 100");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town });
        var keys = new List<(string, string, DateTime)>();
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken))
        {
            keys.Add((row.GetString(0), row.GetString(1), row.GetDateTime(2)));
        }

        return keys;
    }

    private static Checkpoint Read(NpgsqlDataReader row, int from) => new(
        row.GetString(from), row.GetInt64(from + 1), row.GetFieldValue<byte[]>(from + 2), row.GetDateTime(from + 3), row.GetString(from + 4),
        row.GetFieldValue<byte[]>(from + 5));

    private static void Add(NpgsqlBatch batch, string sql, string town)
    {
        var command = new NpgsqlBatchCommand(sql);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town });
        batch.BatchCommands.Add(command);
    }
}
