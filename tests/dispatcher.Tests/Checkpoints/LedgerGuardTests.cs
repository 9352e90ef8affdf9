using Microsoft.Extensions.Logging.Abstractions;
using Townhall.Dispatcher.Checkpoints;
using Townhall.Dispatcher.Duties;
using Townhall.Ledger;
using Townhall.Ledger.Checkpoints;
using Townhall.Testing;

namespace Townhall.Dispatcher.Tests.Checkpoints;

public sealed class LedgerGuardTests(PostgresServer postgres) : IClassFixture<PostgresServer>, IDisposable
{
    private readonly string _data = Directory.CreateTempSubdirectory("townhall-checkpoints-").FullName;

    [Fact]
    public async Task A_checkpoint_is_signed_kept_outside_and_published_when_the_ledger_has_grown()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        using var guard = Guard(database);
        Assert.True(await guard.CheckAsync(deadline));
        Assert.Null(await guard.SignAsync(deadline));       // nothing happened yet
        await FillAsync(database, 7, deadline);
        var made = await guard.SignAsync(deadline);
        Assert.Equal(7, made!.Seq);
        Assert.Null(await guard.SignAsync(deadline));
        Assert.True(await guard.CheckAsync(deadline));

        var kept = await File(database).LatestAsync(deadline);
        var (_, published) = Assert.Single(await new CheckpointTable(database.App).AfterAsync(database.Town, 0, 10, deadline));
        var (id, pem, _) = Assert.Single(await new CheckpointTable(database.App).KeysAsync(database.Town, deadline));
        using var key = CheckpointPublicKey.FromPem(pem);
        Assert.Equal(id, key.Id);
        Assert.True(key.Signed(kept!));
        Assert.True(key.Signed(published));
        Assert.Equal(made.ToLine(), kept!.ToLine());
        Assert.Equal(made.ToLine(), published.ToLine());
    }

    public static TheoryData<string, string> Changes() => new()
    {
        // As a restore of an older copy, with the head that belongs to it.
        { "DELETE FROM ledger WHERE seq > 20; UPDATE ledger_head SET seq = 20, hash = (SELECT hash FROM ledger WHERE seq = 20) WHERE seq > 0", "tail is missing" },
        { "DELETE FROM ledger; UPDATE ledger_head SET seq = 0, hash = decode(repeat('00', 32), 'hex'); DELETE FROM ledger_checkpoint", "tail is missing" },
        // As after a rewrite from entry 40 on, which gives every later entry another hash.
        { "UPDATE ledger SET hash = sha256(hash) WHERE seq >= 40; UPDATE ledger_head SET hash = (SELECT hash FROM ledger WHERE seq = 50) WHERE seq > 0", "another entry" },
        { "UPDATE ledger_checkpoint SET hash = sha256(hash)", "published checkpoint" },
        { "UPDATE ledger_checkpoint SET seq = 49", "published checkpoint" },
        { "UPDATE ledger_checkpoint SET at = at + interval '1 microsecond'", "signature" },
        { "UPDATE ledger_checkpoint SET key_id = repeat('ab', 32)", "signed by key abab" },
    };

    [Theory]
    [MemberData(nameof(Changes))]
    public async Task A_ledger_that_is_not_the_kept_one_stops_the_town_until_somebody_accepts_exactly_that(string change, string why)
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        await KeptAsync(database, 50, deadline);
        await database.ExecuteAsync(change, deadline);

        using var guard = Guard(database, accepted: "50:0000000000000000");
        var place = await RefusedAsync(guard, database, why, deadline);

        using (var operators = Guard(database, accepted: place))
        {
            Assert.True(await operators.CheckAsync(deadline));
        }

        Assert.Equal(1L, await database.ScalarAsync<long>(
            $"SELECT count(*) FROM ledger_pending WHERE action = 'LedgerRestoreAccepted' AND actor = 'operator' AND detail::json->>'given_up' = '{place}'", deadline));
        Assert.Equal(0L, await database.ScalarAsync<long>("SELECT count(*) FROM ledger_alarm", deadline));
        using var later = Guard(database, accepted: place);
        Assert.True(await later.CheckAsync(deadline));
        Assert.Equal(1L, await database.ScalarAsync<long>("SELECT count(*) FROM ledger_pending", deadline));
    }

    [Theory]
    [InlineData("UPDATE ledger_head SET seq = 51 WHERE seq > 0", "no such entry")]
    [InlineData("UPDATE ledger_head SET hash = sha256(hash) WHERE seq > 0", "another one")]
    [InlineData("DELETE FROM ledger WHERE seq > 20", "no such entry")]
    public async Task A_head_without_its_entry_cannot_be_accepted(string change, string why)
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        await KeptAsync(database, 50, deadline);
        await database.ExecuteAsync(change, deadline);
        var kept = await File(database).LatestAsync(deadline);
        using var guard = Guard(database, accepted: $"50:{Convert.ToHexStringLower(kept!.Hash)[..16]}");
        Assert.False(await guard.CheckAsync(deadline));
        Assert.Contains(why, guard.Refusal!.Detail, StringComparison.Ordinal);
        Assert.Null(guard.RefusedPlace);
        Assert.Equal(0L, await database.ScalarAsync<long>("SELECT count(*) FROM ledger_pending", deadline));
    }

    public static TheoryData<string, string> Files() => new()
    {
        { "key", "signed by key" },
        { "line", "signature" },
        { "garbage", "no checkpoints" },
        { "other town", "another town" },
    };

    [Theory]
    [MemberData(nameof(Files))]
    public async Task A_changed_key_or_a_replaced_checkpoint_is_found_too(string what, string why)
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        await KeptAsync(database, 30, deadline);
        var file = Path.Combine(_data, $"ledger-{database.Town}.checkpoints");
        var kept = Checkpoint.Parse((await System.IO.File.ReadAllTextAsync(file, deadline)).Trim())!;
        switch (what)
        {
            case "key":
                System.IO.File.Delete(Path.Combine(_data, "ledger.key"));
                break;
            case "line":
                await System.IO.File.WriteAllTextAsync(file, (kept with { Seq = 12 }).ToLine() + "\n", deadline);
                break;
            case "garbage":
                await System.IO.File.WriteAllTextAsync(file, "{}\n", deadline);
                break;
            default:
                await System.IO.File.WriteAllTextAsync(file, (kept with { Town = "elm" }).ToLine() + "\n", deadline);
                break;
        }

        using var guard = Guard(database);
        var place = await RefusedAsync(guard, database, why, deadline);
        using var operators = Guard(database, accepted: place);
        Assert.True(await operators.CheckAsync(deadline));
        using var later = Guard(database);
        Assert.True(await later.CheckAsync(deadline));
    }

    [Fact]
    public async Task Processes_that_keep_nothing_themselves_hear_of_it_and_hear_when_it_is_over()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        await KeptAsync(database, 30, deadline);
        await database.ExecuteAsync("UPDATE ledger SET hash = sha256(hash) WHERE seq = 30", deadline);
        using var keeper = Guard(database);
        using var other = Guard(database, folder: "elsewhere");
        Assert.True(await other.CheckAsync(deadline));
        Assert.False(await keeper.CheckAsync(deadline));
        Assert.False(await other.CheckAsync(deadline));
        await database.ExecuteAsync("UPDATE ledger SET hash = (SELECT hash FROM ledger_head WHERE seq > 0) WHERE seq = 30", deadline);
        Assert.True(await other.CheckAsync(deadline));
        Assert.True(await keeper.CheckAsync(deadline));
        Assert.Equal(0L, await database.ScalarAsync<long>("SELECT count(*) FROM ledger_alarm", deadline));
    }

    [Fact]
    public async Task Nobody_leads_and_nothing_is_given_while_the_ledger_is_another_one()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        await KeptAsync(database, 30, deadline);
        using var guard = Guard(database);
        using var leadership = new Leadership(database.App, guard, new Seed(database).Town, TimeProvider.System, NullLogger<Leadership>.Instance);
        await leadership.TurnAsync(deadline);
        Assert.NotNull(leadership.Epoch);
        Assert.True(guard.Sound);

        // The database is put back under a dispatcher that runs: its next turn finds it.
        await database.ExecuteAsync("UPDATE ledger SET hash = sha256(hash) WHERE seq = 30", deadline);
        await leadership.TurnAsync(deadline);
        Assert.Null(leadership.Epoch);
        Assert.False(guard.Sound);
        Assert.Equal("ledger_broken", guard.Refusal!.Code);
        Assert.Null(await guard.SignAsync(deadline));
    }

    [Fact]
    public async Task A_dispatcher_says_it_aloud_and_is_not_ready_and_a_stop_leaves_a_checkpoint()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var settings = database.Settings();
        settings["ConnectionStrings__redis"] = "127.0.0.1:9";
        settings["TOWN_DATA"] = _data;
        settings["TOWN_WORKER_KEY_FILE"] = Path.Combine(_data, "worker.key");
        await System.IO.File.WriteAllTextAsync(settings["TOWN_WORKER_KEY_FILE"], new string('k', 40), deadline);
        await AppendAsync(database, 5, deadline);
        await using (var first = await ServiceProcess.StartAsync("services/dispatcher", settings, deadline))
        {
            await Eventually.Is(5L, () => database.ScalarAsync<long>($"SELECT seq FROM ledger_head WHERE town = '{database.Town}'", deadline), deadline);
            await first.Process.StopAsync(deadline);
        }

        Assert.Equal(5, (await File(database).LatestAsync(deadline))!.Seq);
        await database.ExecuteAsync("DELETE FROM ledger WHERE seq > 3; UPDATE ledger_head SET seq = 3, hash = (SELECT hash FROM ledger WHERE seq = 3) WHERE seq > 0", deadline);
        await AppendAsync(database, 1, deadline);
        await using var second = await ServiceProcess.BeginAsync("services/dispatcher", settings);
        await Eventually.Holds(() => second.Process.Log.Contains("TOWN_LEDGER_ACCEPT=5:", StringComparison.Ordinal), deadline, "the alarm");
        var answer = await Eventually.Is(
            async () =>
            {
                try
                {
                    using var response = await second.Client.GetAsync(new Uri("/internal/ready", UriKind.Relative), deadline);
                    return $"{(int)response.StatusCode} {await response.Content.ReadAsStringAsync(deadline)}";
                }
                catch (HttpRequestException)
                {
                    return "";      // not listening yet
                }
            },
            static text => text.Length > 0, deadline, "an answer");
        Assert.StartsWith("503 ", answer, StringComparison.Ordinal);
        Assert.Contains("ledger_broken", answer, StringComparison.Ordinal);
        Assert.Equal(1L, await database.ScalarAsync<long>("SELECT count(*) FROM ledger_pending", deadline));
    }

    public void Dispose() => Directory.Delete(_data, recursive: true);

    private static async Task<string> RefusedAsync(LedgerGuard guard, TestDatabase database, string why, CancellationToken deadline)
    {
        Assert.False(await guard.CheckAsync(deadline));
        Assert.False(guard.Sound);
        Assert.Equal("ledger_broken", guard.Refusal!.Code);
        Assert.Contains(why, guard.Refusal.Detail, StringComparison.Ordinal);
        Assert.Contains(why, await database.ScalarAsync<string>("SELECT reason FROM ledger_alarm", deadline), StringComparison.Ordinal);
        return guard.RefusedPlace!;
    }

    private async Task KeptAsync(TestDatabase database, int entries, CancellationToken deadline)
    {
        await FillAsync(database, entries, deadline);
        using var guard = Guard(database);
        Assert.True(await guard.CheckAsync(deadline));
        Assert.NotNull(await guard.SignAsync(deadline));
    }

    private CheckpointFile File(TestDatabase database) => new(Path.Combine(_data, $"ledger-{database.Town}.checkpoints"));

    private LedgerGuard Guard(TestDatabase database, string? accepted = null, string folder = "")
    {
        var data = Path.Combine(_data, folder);
        var settings = new CheckpointSettings(
            folder.Length == 0 ? CheckpointKey.Ensure(Path.Combine(data, "ledger.key")) : null,
            new CheckpointFile(Path.Combine(data, $"ledger-{database.Town}.checkpoints")), TimeSpan.FromSeconds(1), accepted);
        return new LedgerGuard(
            settings, new CheckpointTable(database.Sequencer), database.App, new Seed(database).Town, TimeProvider.System, NullLogger<LedgerGuard>.Instance);
    }

    private static async Task FillAsync(TestDatabase database, int count, CancellationToken deadline)
    {
        await AppendAsync(database, count, deadline);
        await new LedgerChain(database.Sequencer).SealAsync(database.Town, 1, count, deadline);
    }

    private static async Task AppendAsync(TestDatabase database, int count, CancellationToken deadline)
    {
        await using var command = database.App.CreateCommand($"INSERT INTO ledger_pending (town, actor, action) SELECT '{database.Town}', 'test', 'TaskAssigned' FROM generate_series(1, {count})");
        await command.ExecuteNonQueryAsync(deadline);
    }
}
