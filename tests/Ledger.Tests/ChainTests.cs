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
