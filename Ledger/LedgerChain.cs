using Npgsql;

namespace Townhall.Ledger;

/// <summary>Moves pending entries into the chain: gap-free numbers, each hash over its predecessor. Also folds the task counters.</summary>
/// <remarks>Any number of processes may try; the locked head row and its epoch let one at a time write, so the chain cannot fork.</remarks>
public sealed class LedgerChain(NpgsqlDataSource sequencer)
{
    /// <summary>Seals up to <paramref name="most"/> entries in one transaction.</summary>
    /// <param name="town">Whose chain.</param>
    /// <param name="epoch">The caller's leadership; a smaller one than the head's writes nothing.</param>
    /// <param name="most">Bound of the batch.</param>
    /// <returns>How many entries were sealed and where the chain stands; <c>Sealed</c> is −1 when the epoch is outdated.</returns>
    /// <exception cref="NpgsqlException">The database failed; the batch is as it was.</exception>
    public async Task<(int Sealed, long Head)> SealAsync(string town, long epoch, int most, CancellationToken cancellationToken)
    {
        await using var connection = await sequencer.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var (head, hash, headEpoch) = await LockHeadAsync(connection, town, cancellationToken);
        if (headEpoch > epoch)
        {
            return (-1, head);
        }

        var pending = await PendingAsync(connection, town, most, cancellationToken);
        if (pending.Ids.Count > 0)
        {
            pending.Chain(town, head, hash);
            await using var batch = new NpgsqlBatch(connection, transaction);
            batch.BatchCommands.Add(pending.Insert(town));
            batch.BatchCommands.Add(pending.Delete());
            batch.BatchCommands.Add(Advance(town, head + pending.Ids.Count, pending.Hashes[^1], epoch));
            batch.BatchCommands.Add(Fold(town));
            await batch.ExecuteNonQueryAsync(cancellationToken);
        }
        else
        {
            await using var batch = new NpgsqlBatch(connection, transaction);
            batch.BatchCommands.Add(Fold(town));
            await batch.ExecuteNonQueryAsync(cancellationToken);
        }

        await transaction.CommitAsync(cancellationToken);
        return (pending.Ids.Count, head + pending.Ids.Count);
    }

    private static async Task<(long Seq, byte[] Hash, long Epoch)> LockHeadAsync(
        NpgsqlConnection connection, string town, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("SELECT seq, hash, epoch FROM ledger_head WHERE town = $1 FOR UPDATE", connection);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        if (!await row.ReadAsync(cancellationToken))
        {
            throw new InvalidOperationException($"Town {town} has no ledger head; it is made when the town is.");
        }

        return (row.GetInt64(0), row.GetFieldValue<byte[]>(1), row.GetInt64(2));
    }

    private static async Task<PendingBatch> PendingAsync(
        NpgsqlConnection connection, string town, int most, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("""
            SELECT id, at, actor, action, agent_id, agent_name, task_id, outcome, detail
            FROM ledger_pending
            WHERE town = $1
            ORDER BY id
            LIMIT $2
            """, connection);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = most });
        var pending = new PendingBatch();
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken))
        {
            pending.Read(row);
        }

        return pending;
    }

    private static NpgsqlBatchCommand Advance(string town, long seq, byte[] hash, long epoch)
    {
        var command = new NpgsqlBatchCommand("UPDATE ledger_head SET seq = $2, hash = $3, epoch = $4 WHERE town = $1");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town });
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = seq });
        command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = hash });
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = epoch });
        return command;
    }

    private static NpgsqlBatchCommand Fold(string town)
    {
        var command = new NpgsqlBatchCommand("""
            WITH gone AS (DELETE FROM task_count_delta WHERE town = $1 RETURNING *),
                 sums AS (
                    SELECT sum(pending) AS pending, sum(assigned) AS assigned, sum(running) AS running, sum(waiting) AS waiting,
                           sum(completed) AS completed, sum(failed) AS failed, sum(cancelled) AS cancelled, sum(dead) AS dead
                    FROM gone HAVING count(*) > 0)
            UPDATE task_count c
            SET pending = c.pending + s.pending, assigned = c.assigned + s.assigned, running = c.running + s.running,
                waiting = c.waiting + s.waiting, completed = c.completed + s.completed, failed = c.failed + s.failed,
                cancelled = c.cancelled + s.cancelled, dead = c.dead + s.dead
            FROM sums s
            WHERE c.town = $1
            """);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town });
        return command;
    }

    /// <summary>The columns of a batch, side by side, as they travel to the server.</summary>
    private sealed class PendingBatch
    {
        private readonly List<DateTime> _at = [];
        private readonly List<string> _actors = [];
        private readonly List<string> _actions = [];
        private readonly List<Guid?> _agentIds = [];
        private readonly List<string?> _agentNames = [];
        private readonly List<Guid?> _taskIds = [];
        private readonly List<string> _outcomes = [];
        private readonly List<string> _details = [];
        private readonly List<long> _seqs = [];
        private readonly List<byte[]> _previous = [];

        public List<long> Ids { get; } = [];

        public List<byte[]> Hashes { get; } = [];

        public void Read(NpgsqlDataReader row)
        {
            Ids.Add(row.GetInt64(0));
            _at.Add(row.GetDateTime(1));
            _actors.Add(row.GetString(2));
            _actions.Add(row.GetString(3));
            _agentIds.Add(row.IsDBNull(4) ? null : row.GetGuid(4));
            _agentNames.Add(row.IsDBNull(5) ? null : row.GetString(5));
            _taskIds.Add(row.IsDBNull(6) ? null : row.GetGuid(6));
            _outcomes.Add(row.GetString(7));
            _details.Add(row.GetString(8));
        }

        public void Chain(string town, long head, byte[] hash)
        {
            for (var i = 0; i < Ids.Count; i++)
            {
                _seqs.Add(head + i + 1);
                _previous.Add(hash);
                hash = LedgerHash.Compute(
                    town, head + i + 1, Ids[i], _at[i], _actors[i], _actions[i], _agentIds[i], _agentNames[i], _taskIds[i],
                    _outcomes[i], _details[i], hash);
                Hashes.Add(hash);
            }
        }

        public NpgsqlBatchCommand Insert(string town)
        {
            var command = new NpgsqlBatchCommand("""
                INSERT INTO ledger (town, seq, id, at, actor, action, agent_id, agent_name, task_id, outcome, detail, prev_hash, hash)
                SELECT $1, * FROM unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
                """);
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town });
            command.Parameters.Add(new NpgsqlParameter<List<long>> { TypedValue = _seqs });
            command.Parameters.Add(new NpgsqlParameter<List<long>> { TypedValue = Ids });
            command.Parameters.Add(new NpgsqlParameter<List<DateTime>> { TypedValue = _at });
            command.Parameters.Add(new NpgsqlParameter<List<string>> { TypedValue = _actors });
            command.Parameters.Add(new NpgsqlParameter<List<string>> { TypedValue = _actions });
            command.Parameters.Add(new NpgsqlParameter<List<Guid?>> { TypedValue = _agentIds });
            command.Parameters.Add(new NpgsqlParameter<List<string?>> { TypedValue = _agentNames });
            command.Parameters.Add(new NpgsqlParameter<List<Guid?>> { TypedValue = _taskIds });
            command.Parameters.Add(new NpgsqlParameter<List<string>> { TypedValue = _outcomes });
            command.Parameters.Add(new NpgsqlParameter<List<string>> { TypedValue = _details });
            command.Parameters.Add(new NpgsqlParameter<List<byte[]>> { TypedValue = _previous });
            command.Parameters.Add(new NpgsqlParameter<List<byte[]>> { TypedValue = Hashes });
            return command;
        }

        public NpgsqlBatchCommand Delete()
        {
            var command = new NpgsqlBatchCommand("DELETE FROM ledger_pending WHERE id = ANY ($1)");
            command.Parameters.Add(new NpgsqlParameter<List<long>> { TypedValue = Ids });
            return command;
        }
    }
}
