using Npgsql;

namespace Townhall.Ledger;

/// <summary>Moves pending entries into the chain: gap-free numbers, each hash over its predecessor.</summary>
/// <remarks>
/// Any number of processes may try: a page is written only if the head row, locked, still stands where the page follows from
/// and no newer epoch wrote it, so the chain cannot fork. Entries never travel back: the server moves its own rows, to which
/// only their hashes are added.
/// </remarks>
public sealed class LedgerChain(NpgsqlDataSource sequencer)
{
    /// <summary>Pages of one call of <see cref="SealAllAsync"/>: entries that committed late, behind younger ones, wait for the next call.</summary>
    private const int PagesMost = 32;

    /// <summary>Counter rows folded at once; they are one a transaction, so more than that only gather while nobody folds.</summary>
    private const int FoldMost = 5000;

    private enum Written
    {
        Sealed,

        /// <summary>A newer epoch writes this chain.</summary>
        Outdated,

        /// <summary>The head is not where the page follows from: another sequencer was faster, nothing was written.</summary>
        Moved,
    }

    /// <summary>Seals up to <paramref name="most"/> entries in one transaction.</summary>
    /// <param name="town">Whose chain.</param>
    /// <param name="epoch">The caller's leadership; a smaller one than the head's writes nothing.</param>
    /// <param name="most">Bound of the batch.</param>
    /// <returns>How many entries were sealed and where the chain stands; <c>Sealed</c> is −1 when the epoch is outdated.</returns>
    /// <exception cref="NpgsqlException">The database failed; the batch is as it was, or sealed as a whole.</exception>
    public async Task<(int Sealed, long Head)> SealAsync(string town, long epoch, int most, CancellationToken cancellationToken)
    {
        while (true)
        {
            var (tail, page) = await ReadAsync(town, most, cancellationToken);
            if (tail.Epoch > epoch)
            {
                return (-1, tail.Seq);
            }

            if (page.Count == 0)
            {
                return (0, tail.Seq);
            }

            // Where it moved another one has sealed entries: some sequencer always gets on.
            switch (await WriteAsync(town, epoch, page.Chain(town, tail), cancellationToken))
            {
                case Written.Sealed:
                    return (page.Count, tail.Seq + page.Count);
                case Written.Outdated:
                    return (-1, tail.Seq);
            }
        }
    }

    /// <summary>Seals what waits, page by page: while one is being written the next is read and hashed.</summary>
    /// <param name="town">Whose chain.</param>
    /// <param name="epoch">Asked before each page; null ends the call.</param>
    /// <param name="most">Entries of a page.</param>
    /// <param name="advanced">Told where the chain stands after each page that was committed.</param>
    /// <returns>How many entries were sealed, and whether more may wait: then call again.</returns>
    /// <exception cref="NpgsqlException">The database failed; each page is sealed as a whole or waits as it did.</exception>
    public async Task<(long Sealed, bool More)> SealAllAsync(
        string town, Func<long?> epoch, int most, Action<long> advanced, CancellationToken cancellationToken)
    {
        var (tail, page) = await ReadAsync(town, most, cancellationToken);
        var (from, reached, more) = (tail.Seq, tail.Seq, false);
        var writing = Task.FromResult(Written.Sealed);
        try
        {
            for (var pages = 1; page.Count > 0 && epoch() is { } mine && tail.Epoch <= mine; pages++)
            {
                var chained = page.Chain(town, tail);
                if (await writing != Written.Sealed)
                {
                    break;
                }

                writing = WriteAsync(
                    town, mine, chained,
                    head =>
                    {
                        reached = head;
                        advanced(head);
                    },
                    cancellationToken);
                tail = chained.Tail(mine);
                more = page.Count == most;
                page = more && pages < PagesMost ? await NextAsync(town, page.LastId, most, cancellationToken) : PendingPage.Empty;
            }

            return await writing switch
            {
                Written.Sealed => (reached - from, more),
                var refused => (reached - from, refused == Written.Moved),
            };
        }
        finally
        {
            // Whatever ended the loop: a write in flight is never left alone.
            await ((Task)writing).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Adds what transactions changed in the town's counters to its one row. Exact whoever does it, and however often.</summary>
    /// <returns>False when more waits than one call folds.</returns>
    public async Task<bool> FoldAsync(string town, CancellationToken cancellationToken)
    {
        await using var command = sequencer.CreateCommand("""
            WITH gone AS (
                DELETE FROM task_count_delta
                WHERE ctid = ANY (ARRAY(SELECT ctid FROM task_count_delta WHERE town = $1 LIMIT $2))
                RETURNING *),
                 sums AS (
                    SELECT count(*) AS rows, sum(pending) AS pending, sum(assigned) AS assigned, sum(running) AS running,
                           sum(waiting) AS waiting, sum(completed) AS completed, sum(failed) AS failed, sum(cancelled) AS cancelled,
                           sum(dead) AS dead
                    FROM gone HAVING count(*) > 0)
            UPDATE task_count c
            SET pending = c.pending + s.pending, assigned = c.assigned + s.assigned, running = c.running + s.running,
                waiting = c.waiting + s.waiting, completed = c.completed + s.completed, failed = c.failed + s.failed,
                cancelled = c.cancelled + s.cancelled, dead = c.dead + s.dead
            FROM sums s
            WHERE c.town = $1
            RETURNING s.rows
            """);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = FoldMost });
        return (await command.ExecuteScalarAsync(cancellationToken) as long? ?? 0) < FoldMost;
    }

    /// <summary>The head and what waits longest, in this order: an entry that is sealed in between moves the head.</summary>
    private async Task<(ChainTail Tail, PendingPage Page)> ReadAsync(string town, int most, CancellationToken cancellationToken)
    {
        await using var batch = sequencer.CreateBatch();
        var head = new NpgsqlBatchCommand("SELECT seq, hash, epoch FROM ledger_head WHERE town = $1");
        head.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town });
        batch.BatchCommands.Add(head);
        batch.BatchCommands.Add(Pending(town, 0, most));
        await using var row = await batch.ExecuteReaderAsync(cancellationToken);
        if (!await row.ReadAsync(cancellationToken))
        {
            throw new InvalidOperationException($"Town {town} has no ledger head; it is made when the town is.");
        }

        var tail = new ChainTail(row.GetInt64(0), row.GetFieldValue<byte[]>(1), row.GetInt64(2));
        await row.NextResultAsync(cancellationToken);
        return (tail, await PageAsync(row, cancellationToken));
    }

    private async Task<PendingPage> NextAsync(string town, long after, int most, CancellationToken cancellationToken)
    {
        await using var batch = sequencer.CreateBatch();
        batch.BatchCommands.Add(Pending(town, after, most));
        await using var row = await batch.ExecuteReaderAsync(cancellationToken);
        return await PageAsync(row, cancellationToken);
    }

    private static NpgsqlBatchCommand Pending(string town, long after, int most)
    {
        var command = new NpgsqlBatchCommand(
            $"SELECT {PendingPage.Columns} FROM ledger_pending WHERE town = $1 AND id > $2 ORDER BY id LIMIT $3");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town });
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = after });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = most });
        return command;
    }

    private static async Task<PendingPage> PageAsync(NpgsqlDataReader row, CancellationToken cancellationToken)
    {
        var page = new PendingPage();
        while (await row.ReadAsync(cancellationToken))
        {
            page.Read(row);
        }

        return page;
    }

    private async Task<Written> WriteAsync(
        string town, long epoch, ChainedPage page, Action<long> advanced, CancellationToken cancellationToken)
    {
        var written = await WriteAsync(town, epoch, page, cancellationToken);
        if (written == Written.Sealed)
        {
            advanced(page.From.Seq + page.Ids.Length);
        }

        return written;
    }

    private async Task<Written> WriteAsync(string town, long epoch, ChainedPage page, CancellationToken cancellationToken)
    {
        await using var command = sequencer.CreateCommand("SELECT seal_entries($1, $2, $3, $4, $5, $6, $7)");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town });
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = epoch });
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = page.From.Seq });
        command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = page.From.Hash });
        command.Parameters.Add(new NpgsqlParameter<long[]> { TypedValue = page.Ids });
        command.Parameters.Add(new NpgsqlParameter<byte[][]> { TypedValue = page.Previous });
        command.Parameters.Add(new NpgsqlParameter<byte[][]> { TypedValue = page.Hashes });
        return await command.ExecuteScalarAsync(cancellationToken) switch
        {
            "sealed" => Written.Sealed,
            "outdated" => Written.Outdated,
            "moved" => Written.Moved,
            var unknown => throw new InvalidOperationException($"seal_entries answered {unknown}, which this program does not know."),
        };
    }
}
