using System.Globalization;
using Npgsql;
using Townhall.Testing;

namespace Townhall.Ledger.Tests;

public sealed class ChainTests(PostgresServer postgres) : IClassFixture<PostgresServer>
{
    public static TheoryData<string> Tamperings() => new(
        "UPDATE ledger SET town = town || 'x' WHERE seq = 40",
        "UPDATE ledger SET id = id + 1000000 WHERE seq = 40",
        "UPDATE ledger SET at = at + interval '1 microsecond' WHERE seq = 40",
        "UPDATE ledger SET actor = 'someone' WHERE seq = 40",
        "UPDATE ledger SET action = 'TaskFailed' WHERE seq = 40",
        "UPDATE ledger SET agent_id = gen_random_uuid() WHERE seq = 40",
        "UPDATE ledger SET agent_name = NULL WHERE seq = 40",
        "UPDATE ledger SET agent_name = '' WHERE seq = 40",
        "UPDATE ledger SET task_id = NULL WHERE seq = 40",
        "UPDATE ledger SET outcome = 'denied' WHERE seq = 40",
        "UPDATE ledger SET detail = detail || ' ' WHERE seq = 40",
        "UPDATE ledger SET prev_hash = hash WHERE seq = 40",
        "UPDATE ledger SET hash = prev_hash WHERE seq = 40",
        "DELETE FROM ledger WHERE seq = 40",
        "DELETE FROM ledger WHERE seq BETWEEN 40 AND 60",
        "UPDATE ledger SET seq = CASE seq WHEN 40 THEN -1 ELSE seq END WHERE seq = 40; ",
        "WITH a AS (SELECT detail FROM ledger WHERE seq = 40), b AS (SELECT detail FROM ledger WHERE seq = 41) UPDATE ledger SET detail = CASE seq WHEN 40 THEN (SELECT detail FROM b) ELSE (SELECT detail FROM a) END WHERE seq IN (40, 41)");

    [Theory]
    [MemberData(nameof(Tamperings))]
    public async Task Every_tampering_is_found_at_its_position(string tampering)
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        await FillAsync(database, 100, deadline);
        Assert.Equal(new LedgerVerdict(100, null, null), await VerifyAsync(database, deadline));
        // Checks would stop a careless hand; the owner of the database can drop them.
        await database.ExecuteAsync("ALTER TABLE ledger DROP CONSTRAINT ledger_seq_check", deadline);
        await database.ExecuteAsync(tampering, deadline);
        var verdict = await VerifyAsync(database, deadline);
        Assert.Equal((39, 40), (verdict.Checked, verdict.FirstBad));
        Assert.NotEmpty(verdict.Why!);
    }

    [Fact]
    public async Task A_missing_tail_is_found_against_the_head()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        await FillAsync(database, 50, deadline);
        await database.ExecuteAsync("DELETE FROM ledger WHERE seq > 45", deadline);
        Assert.Equal((45L, (long?)46), await Checked(database, deadline));

        static async Task<(long, long?)> Checked(TestDatabase database, CancellationToken deadline)
        {
            var verdict = await VerifyAsync(database, deadline);
            return (verdict.Checked, verdict.FirstBad);
        }
    }

    [Fact]
    public async Task Positions_have_no_gaps_although_transactions_roll_back_and_commit_out_of_order()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        await using var slow = await database.App.OpenConnectionAsync(deadline);
        await using var open = await slow.BeginTransactionAsync(deadline);
        await AppendAsync(slow, database.Town, deadline);
        await using (var other = await database.App.OpenConnectionAsync(deadline))
        await using (var undone = await other.BeginTransactionAsync(deadline))
        {
            await AppendAsync(other, database.Town, deadline);
            await undone.RollbackAsync(deadline);
        }

        await FillAsync(database, 5, deadline);
        await open.CommitAsync(deadline);
        var chain = new LedgerChain(database.Sequencer);
        Assert.Equal((1, 6), await chain.SealAsync(database.Town, 1, 100, deadline));
        Assert.Equal(new LedgerVerdict(6, null, null), await VerifyAsync(database, deadline));
    }

    [Fact]
    public async Task Two_sequencers_at_once_never_fork_the_chain_and_an_outdated_one_writes_nothing()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        await AppendManyAsync(database, 2000, deadline);
        var chain = new LedgerChain(database.Sequencer);
        await Task.WhenAll(Enumerable.Range(0, 4).Select(async _ =>
        {
            while ((await chain.SealAsync(database.Town, 3, 50, deadline)).Sealed > 0)
            {
            }
        }));
        Assert.Equal(new LedgerVerdict(2000, null, null), await VerifyAsync(database, deadline));

        await AppendManyAsync(database, 1, deadline);
        Assert.Equal(-1, (await chain.SealAsync(database.Town, 2, 50, deadline)).Sealed);
        Assert.Equal(2000L, await database.ScalarAsync<long>("SELECT max(seq) FROM ledger", deadline));
    }

    [Fact]
    public async Task Everything_that_waits_is_sealed_page_by_page_also_by_two_at_once()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        await AppendManyAsync(database, 2000, deadline);
        var heads = new System.Collections.Concurrent.ConcurrentBag<long>();
        var each = await Task.WhenAll(Enumerable.Range(0, 2).Select(async _ =>
        {
            var chain = new LedgerChain(database.Sequencer);
            var total = 0L;
            while (await chain.SealAllAsync(database.Town, static () => 3, 30, heads.Add, deadline) is var (some, more))
            {
                total += some;
                if (!more)
                {
                    break;
                }
            }

            return total;
        }));
        Assert.Equal(2000, each.Sum());
        Assert.Equal(2000, heads.Max());
        Assert.Equal(heads.Count, heads.Distinct().Count());
        Assert.Equal(new LedgerVerdict(2000, null, null), await VerifyAsync(database, deadline));

        await AppendManyAsync(database, 1, deadline);
        Assert.Equal((0, false), await new LedgerChain(database.Sequencer).SealAllAsync(database.Town, static () => 2, 30, heads.Add, deadline));
        Assert.Equal((0, false), await new LedgerChain(database.Sequencer).SealAllAsync(database.Town, static () => null, 30, heads.Add, deadline));
        Assert.Equal(2000L, await database.ScalarAsync<long>("SELECT max(seq) FROM ledger", deadline));
    }

    [Fact]
    public async Task An_entry_that_commits_behind_younger_ones_is_sealed_while_pages_never_end()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        await using var slow = await database.App.OpenConnectionAsync(deadline);
        await using var open = await slow.BeginTransactionAsync(deadline);
        await AppendAsync(slow, database.Town, deadline, 7777);
        await AppendManyAsync(database, 40, deadline);
        var chain = new LedgerChain(database.Sequencer);
        // One entry a page: a call ends after its bound of pages although more wait, and the next one begins with the oldest.
        Assert.Equal((32, true), await chain.SealAllAsync(database.Town, static () => 1, 1, static _ => { }, deadline));
        await open.CommitAsync(deadline);
        Assert.Equal((9, false), await chain.SealAllAsync(database.Town, static () => 1, 100, static _ => { }, deadline));
        Assert.Equal(33L, await database.ScalarAsync<long>("SELECT seq FROM ledger WHERE detail LIKE '%7777%'", deadline));
        Assert.Equal(new LedgerVerdict(41, null, null), await VerifyAsync(database, deadline));
    }

    [Theory]
    [InlineData("head.seq + 1, head.hash", 5, "moved")]
    [InlineData("head.seq, decode(repeat('00', 32), 'hex')", 5, "moved")]
    [InlineData("head.seq, head.hash", 4, "outdated")]
    [InlineData("head.seq, head.hash", 5, "sealed")]
    public async Task A_page_is_written_only_where_it_follows_and_by_no_older_epoch(string from, int epoch, string expected)
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        await AppendManyAsync(database, 3, deadline);
        Assert.Equal((3, 3), await new LedgerChain(database.Sequencer).SealAsync(database.Town, 5, 10, deadline));
        await AppendManyAsync(database, 1, deadline);
        await using var command = database.Sequencer.CreateCommand(string.Create(CultureInfo.InvariantCulture, $"""
            SELECT seal_entries(head.town, {epoch}, {from}, ARRAY(SELECT id FROM ledger_pending), ARRAY[head.hash],
                                ARRAY[decode(repeat('ab', 32), 'hex')])
            FROM ledger_head head WHERE town = '{database.Town}'
            """));
        Assert.Equal(expected, await command.ExecuteScalarAsync(deadline));
        Assert.Equal(expected == "sealed" ? 4L : 3, await database.ScalarAsync<long>("SELECT max(seq) FROM ledger", deadline));
        Assert.Equal(expected == "sealed" ? 0L : 1, await database.ScalarAsync<long>("SELECT count(*) FROM ledger_pending", deadline));
    }

    [Fact]
    public async Task Entries_that_are_not_pending_any_more_are_not_sealed_and_nothing_else_is()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        await AppendManyAsync(database, 1, deadline);
        await using var command = database.Sequencer.CreateCommand($"""
            SELECT seal_entries(head.town, 1, head.seq, head.hash, ARRAY[(SELECT id FROM ledger_pending), 4711], ARRAY[head.hash, head.hash],
                                ARRAY[head.hash, head.hash])
            FROM ledger_head head WHERE town = '{database.Town}'
            """);
        var refused = await Assert.ThrowsAsync<PostgresException>(() => command.ExecuteNonQueryAsync(deadline));
        Assert.Equal(PostgresErrorCodes.SerializationFailure, refused.SqlState);
        Assert.Equal(0L, await database.ScalarAsync<long>("SELECT count(*) FROM ledger", deadline));
        Assert.Equal(1L, await database.ScalarAsync<long>("SELECT count(*) FROM ledger_pending", deadline));
    }

    [Fact]
    public async Task Counters_are_folded_in_bounded_calls_and_never_twice()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        await database.ExecuteAsync(
            $"INSERT INTO task_count_delta (town, assigned, failed) SELECT '{database.Town}', 2, 1 FROM generate_series(1, 5001)", deadline);
        var chain = new LedgerChain(database.Sequencer);
        Assert.False(await chain.FoldAsync(database.Town, deadline));
        Assert.Equal(1L, await database.ScalarAsync<long>("SELECT count(*) FROM task_count_delta", deadline));
        await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => chain.FoldAsync(database.Town, deadline)));
        Assert.True(await chain.FoldAsync(database.Town, deadline));
        Assert.Equal(10_002L, await database.ScalarAsync<long>($"SELECT assigned FROM task_count WHERE town = '{database.Town}'", deadline));
        Assert.Equal(5_001L, await database.ScalarAsync<long>($"SELECT failed FROM task_count_now WHERE town = '{database.Town}'", deadline));
    }

    [Theory]
    [InlineData("UPDATE ledger SET detail = '{}'")]
    [InlineData("DELETE FROM ledger")]
    [InlineData("TRUNCATE ledger")]
    [InlineData("INSERT INTO ledger SELECT * FROM ledger")]
    [InlineData("DELETE FROM ledger_pending")]
    [InlineData("UPDATE ledger_pending SET actor = 'x'")]
    [InlineData("UPDATE task_history SET state = 'completed'")]
    [InlineData("DELETE FROM task_history")]
    [InlineData("DROP TABLE ledger")]
    [InlineData("SELECT seal_entries('x', 1, 0, '', '{}', '{}', '{}')")]
    public async Task The_services_role_cannot_rewrite_what_happened(string statement)
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        await using var command = database.App.CreateCommand(statement);
        var refused = await Assert.ThrowsAsync<PostgresException>(() => command.ExecuteNonQueryAsync(deadline));
        Assert.Equal(PostgresErrorCodes.InsufficientPrivilege, refused.SqlState);
    }

    [Fact]
    public void The_canonical_bytes_have_the_hash_that_the_documentation_shows()
    {
        var entry = new LedgerEntry(
            "oak", 1, 7, new DateTime(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc), "local", "TaskAssigned",
            Guid.Parse("01890a5d-ac96-774b-bcce-b302099a8057"), "scout", null, "success", "{}", LedgerHash.Genesis, []);
        var documented = File.ReadAllText(Path.Combine(Programs.Repository(), "docs", "ledger.md"));
        Assert.Contains(Convert.ToHexStringLower(LedgerHash.Compute(entry)), documented, StringComparison.Ordinal);
    }

    private static async Task FillAsync(TestDatabase database, int count, CancellationToken deadline)
    {
        await AppendManyAsync(database, count, deadline);
        var chain = new LedgerChain(database.Sequencer);
        while ((await chain.SealAsync(database.Town, 1, 30, deadline)).Sealed > 0)
        {
        }
    }

    private static async Task AppendManyAsync(TestDatabase database, int count, CancellationToken deadline)
    {
        await using var connection = await database.App.OpenConnectionAsync(deadline);
        for (var i = 0; i < count; i++)
        {
            await AppendAsync(connection, database.Town, deadline, i);
        }
    }

    private static async Task AppendAsync(NpgsqlConnection connection, string town, CancellationToken deadline, int number = -1)
    {
        await using var command = new NpgsqlCommand("""
            INSERT INTO ledger_pending (town, actor, action, agent_id, agent_name, task_id, detail)
            VALUES ($1, 'test', 'TaskAssigned', gen_random_uuid(), 'a', gen_random_uuid(), $2)
            """, connection);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = string.Create(CultureInfo.InvariantCulture, $"{{\"n\":{number}}}") });
        await command.ExecuteNonQueryAsync(deadline);
    }

    private static async Task<LedgerVerdict> VerifyAsync(TestDatabase database, CancellationToken deadline)
    {
        await using var command = database.App.CreateCommand("SELECT seq, hash FROM ledger_head WHERE town = $1");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = database.Town });
        await using var row = await command.ExecuteReaderAsync(deadline);
        await row.ReadAsync(deadline);
        var head = (row.GetInt64(0), row.GetFieldValue<byte[]>(1));
        return await LedgerVerifier.VerifyAsync(new LedgerReader(database.App).AllAsync(database.Town, deadline), head, deadline);
    }
}
