using System.Globalization;
using Npgsql;
using Townhall.Testing;

namespace Townhall.Ledger.Tests;

/// <summary>Every single change of a ledger is found, at its position, and nothing else is.</summary>
public sealed class TamperTests(PostgresServer postgres) : IClassFixture<PostgresServer>
{
    private const int Rows = 1000;

    /// <summary>Another value for each column, whatever stands there.</summary>
    private static readonly Dictionary<string, string> s_edits = new(StringComparer.Ordinal)
    {
        ["town"] = "town || 'x'",
        ["seq"] = "seq + 1000000",
        ["id"] = "id + 1",
        ["at"] = "at + interval '1 microsecond'",
        ["actor"] = "actor || ' '",
        ["action"] = "upper(action)",
        ["agent_id"] = "CASE WHEN agent_id IS NULL THEN gen_random_uuid() END",
        ["agent_name"] = "CASE WHEN agent_name IS NULL THEN '' ELSE NULL END",
        ["task_id"] = "CASE WHEN task_id IS NULL THEN gen_random_uuid() END",
        ["outcome"] = "reverse(outcome)",
        ["detail"] = "replace(detail, ':', ' :')",
        ["prev_hash"] = "sha256(prev_hash)",
        ["hash"] = "sha256(hash)",
    };

    public static TheoryData<string> Columns() => [.. s_edits.Keys];

    [Theory]
    [MemberData(nameof(Columns))]
    public async Task An_edit_of_any_column_of_any_row_is_found_at_that_row(string column)
    {
        var deadline = Deadline.Of(TimeSpan.FromSeconds(60));
        await using var database = await FilledAsync(deadline);
        var random = new Random(column.GetHashCode(StringComparison.Ordinal));
        for (var round = 0; round < 40; round++)
        {
            var seq = round switch { 0 => 1, 1 => Rows, _ => 1 + random.Next(Rows) };
            await database.ExecuteAsync($"UPDATE ledger SET {column} = {s_edits[column]} WHERE town = '{database.Town}' AND seq = {seq}", deadline);
            var verdict = await VerifyAsync(database, deadline);
            Assert.True(verdict.FirstBad == seq && verdict.Checked == seq - 1, $"{column} of {seq}: {verdict}");
            await database.ExecuteAsync(
                $"DELETE FROM ledger WHERE id IN (SELECT id FROM kept WHERE seq = {seq}) OR seq = {seq} OR seq = {seq + 1_000_000}; INSERT INTO ledger SELECT * FROM kept WHERE seq = {seq}", deadline);
        }

        Assert.Equal(new LedgerVerdict(Rows, null, null), await VerifyAsync(database, deadline));
    }

    public static TheoryData<string, long> Others() => new()
    {
        { "DELETE FROM ledger WHERE seq = 500", 500 },
        { "DELETE FROM ledger WHERE seq BETWEEN 500 AND 600", 500 },
        { "DELETE FROM ledger WHERE seq = 1", 1 },
        { "DELETE FROM ledger WHERE seq = 1000", 1000 },
        { "DELETE FROM ledger WHERE seq > 900", 901 },
        { "DELETE FROM ledger", 1 },
        // A forged row in between, the rest moved on.
        { "UPDATE ledger SET seq = -seq WHERE seq >= 500; INSERT INTO ledger SELECT town, 500, 999999, at, 'forger', action, agent_id, agent_name, task_id, outcome, detail, prev_hash, sha256(hash) FROM ledger WHERE seq = -500; UPDATE ledger SET seq = 1 - seq WHERE seq < 0", 500 },
        // A forged row behind the last.
        { "INSERT INTO ledger SELECT town, seq + 1, id + 1, at, actor, action, agent_id, agent_name, task_id, outcome, detail, hash, sha256(hash) FROM ledger WHERE seq = 1000", 1001 },
        // One row twice.
        { "ALTER TABLE ledger DROP CONSTRAINT ledger_pkey; INSERT INTO ledger SELECT * FROM ledger WHERE seq = 500", 501 },
        // Two that changed places.
        { "UPDATE ledger SET seq = CASE seq WHEN 500 THEN -1 WHEN 700 THEN -2 END WHERE seq IN (500, 700); UPDATE ledger SET seq = CASE seq WHEN -1 THEN 700 ELSE 500 END WHERE seq < 0", 500 },
    };

    [Theory]
    [MemberData(nameof(Others))]
    public async Task What_is_removed_inserted_doubled_swapped_or_cut_is_found_at_the_first_of_it(string change, long firstBad)
    {
        var deadline = Deadline.Of(TimeSpan.FromSeconds(60));
        await using var database = await FilledAsync(deadline);
        await database.ExecuteAsync(change, deadline);
        Assert.Equal(firstBad, (await VerifyAsync(database, deadline)).FirstBad);
    }

    /// <summary>The counts that a database would take minutes for: 200 random rows for each field, in memory.</summary>
    [Fact]
    public async Task Two_hundred_random_edits_of_each_field_are_all_found()
    {
        var deadline = Deadline.Of(TimeSpan.FromSeconds(60));
        var chain = Chain(Rows, 0);
        var head = (chain[^1].Seq, chain[^1].Hash);
        Func<LedgerEntry, LedgerEntry>[] edits =
        [
            static entry => entry with { Town = entry.Town + "x" }, static entry => entry with { Seq = entry.Seq + 1 },
            static entry => entry with { Id = entry.Id ^ 1 }, static entry => entry with { At = entry.At.AddMicroseconds(1) },
            static entry => entry with { Actor = "" }, static entry => entry with { Action = entry.Action + " " },
            static entry => entry with { AgentId = entry.AgentId is null ? Guid.Empty : null },
            static entry => entry with { AgentName = entry.AgentName is null ? "" : null },
            static entry => entry with { TaskId = entry.TaskId is null ? Guid.Empty : null }, static entry => entry with { Outcome = "denied" },
            static entry => entry with { Detail = entry.Detail + "\0" }, static entry => entry with { PrevHash = Flipped(entry.PrevHash) },
            static entry => entry with { Hash = Flipped(entry.Hash) },
            // What stood in one field moves into the next: the bytes in a row would be the same.
            static entry => entry with { Actor = entry.Actor + entry.Action[..1], Action = entry.Action[1..] },
        ];
        var random = new Random(14);
        foreach (var edit in edits)
        {
            for (var round = 0; round < 200; round++)
            {
                var at = random.Next(Rows);
                var sound = chain[at];
                chain[at] = edit(sound);
                var verdict = await LedgerVerifier.VerifyAsync(Stream(chain), head, deadline);
                Assert.Equal(at + 1, verdict.FirstBad);
                chain[at] = sound;
            }
        }

        Assert.Null((await LedgerVerifier.VerifyAsync(Stream(chain), head, deadline)).FirstBad);

        static byte[] Flipped(byte[] hash) => [(byte)(hash[0] ^ 1), .. hash[1..]];
    }

    [Fact]
    public async Task A_rewrite_with_new_hashes_a_cut_and_a_rollback_are_found_against_every_kept_place_behind_them()
    {
        var deadline = Deadline.Of(TimeSpan.FromSeconds(60));
        var chain = Chain(200, 0);
        foreach (var changed in (int[])[1, 2, 57, 100, 199, 200])
        {
            var forged = Chain(200, changed);
            var head = (200L, forged[^1].Hash);
            Assert.Null((await LedgerVerifier.VerifyAsync(Stream(forged), head, deadline)).FirstBad);       // it agrees with itself
            for (var kept = 1; kept <= 200; kept++)
            {
                ChainPlace[] places = [new(0, LedgerHash.Genesis), new(1, forged[0].Hash), new(kept, chain[kept - 1].Hash)];
                var verdict = await LedgerVerifier.VerifyAsync(Stream(forged), head, changed == 1 ? places[2..] : places, deadline);
                // Nothing is proven behind the last place that still holds.
                Assert.Equal(kept < changed ? null : changed == 1 ? 1 : 2, verdict.FirstBad);
            }
        }

        for (var length = 0; length < 200; length++)
        {
            var end = length == 0 ? (0L, LedgerHash.Genesis) : (length, chain[length - 1].Hash);
            var verdict = await LedgerVerifier.VerifyAsync(Stream(chain[..length]), end, [new(200, chain[199].Hash)], deadline);
            Assert.Equal(length + 1, verdict.FirstBad);
        }
    }

    [Fact]
    public async Task A_sound_ledger_is_never_accused_while_it_is_written()
    {
        var deadline = Deadline.Of(TimeSpan.FromSeconds(60));
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(deadline);
        var writing = WriteAsync(database, stop, deadline);
        var reader = new LedgerReader(database.App);
        var last = 0L;

        // Looks at an empty ledger prove nothing: it goes on until there was something to accuse.
        for (var run = 0; run < 200 || last == 0; run++)
        {
            var head = await reader.CheckpointAsync(database.Town, deadline);
            var verdict = await LedgerVerifier.VerifyAsync(UpToAsync(reader.AllAsync(database.Town, deadline), head.Seq), head, deadline);
            Assert.Equal(new LedgerVerdict(head.Seq, null, null), verdict);
            last = head.Seq;
        }

        await stop.CancelAsync();
        Assert.True(await writing >= last && last > 0, $"Only {last} entries were there to be looked at.");
    }

    private static async Task<long> WriteAsync(TestDatabase database, CancellationTokenSource stop, CancellationToken deadline)
    {
        var chain = new LedgerChain(database.Sequencer);
        var head = 0L;
        while (!stop.IsCancellationRequested)
        {
            await AppendAsync(database, 10, deadline);
            head = (await chain.SealAsync(database.Town, 1, 100, deadline)).Head;
        }

        return head;
    }

    private static async IAsyncEnumerable<LedgerEntry> UpToAsync(IAsyncEnumerable<LedgerEntry> entries, long last)
    {
        if (last == 0)
        {
            yield break;
        }

        await foreach (var entry in entries)
        {
            yield return entry;
            if (entry.Seq >= last)
            {
                yield break;
            }
        }
    }

    private async Task<TestDatabase> FilledAsync(CancellationToken deadline)
    {
        var database = await postgres.CreateDatabaseAsync(deadline);
        await AppendAsync(database, Rows, deadline);
        await new LedgerChain(database.Sequencer).SealAsync(database.Town, 1, Rows, deadline);
        // Checks would stop a careless hand; the owner of the database can drop them.
        await database.ExecuteAsync("ALTER TABLE ledger DROP CONSTRAINT ledger_seq_check; CREATE TABLE kept AS SELECT * FROM ledger", deadline);
        Assert.Equal(new LedgerVerdict(Rows, null, null), await VerifyAsync(database, deadline));
        return database;
    }

    private static async Task AppendAsync(TestDatabase database, int count, CancellationToken deadline)
    {
        await using var command = database.App.CreateCommand("""
            INSERT INTO ledger_pending (town, actor, action, agent_id, agent_name, task_id, detail)
            SELECT $1, 'test', 'TaskAssigned', CASE WHEN i % 2 = 0 THEN gen_random_uuid() END, CASE WHEN i % 3 = 0 THEN 'a' END,
                   CASE WHEN i % 5 > 0 THEN gen_random_uuid() END, json_build_object('n', i)::text
            FROM generate_series(1, $2) i
            """);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = database.Town });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = count });
        await command.ExecuteNonQueryAsync(deadline);
    }

    private static async Task<LedgerVerdict> VerifyAsync(TestDatabase database, CancellationToken deadline)
    {
        var reader = new LedgerReader(database.App);
        var head = await reader.CheckpointAsync(database.Town, deadline);
        return await LedgerVerifier.VerifyAsync(reader.AllAsync(database.Town, deadline), head, deadline);
    }

    private static List<LedgerEntry> Chain(int length, int changed)
    {
        var chain = new List<LedgerEntry>(length);
        var previous = LedgerHash.Genesis;
        for (var seq = 1L; seq <= length; seq++)
        {
            var entry = new LedgerEntry(
                "oak", seq, seq * 2, DateTime.UnixEpoch.AddSeconds(seq), seq == changed ? "forger" : "local", "TaskAssigned",
                seq % 2 == 0 ? new Guid((int)seq, 1, 2, new byte[8]) : null, seq % 3 == 0 ? "scout" : null, seq % 5 == 0 ? null : new Guid((int)seq, 3, 4, new byte[8]),
                "success", string.Create(CultureInfo.InvariantCulture, $"{{\"n\":{seq}}}"), previous, []);
            entry = entry with { Hash = LedgerHash.Compute(entry) };
            previous = entry.Hash;
            chain.Add(entry);
        }

        return chain;
    }

    private static async IAsyncEnumerable<LedgerEntry> Stream(IEnumerable<LedgerEntry> entries)
    {
        foreach (var entry in entries)
        {
            yield return entry;
        }

        await Task.CompletedTask;
    }
}
