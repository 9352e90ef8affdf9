using System.Globalization;
using Townhall.Ledger;
using Townhall.Testing;

namespace Townhall.Dispatcher.Tests.Duties;

/// <summary>A town that runs for months, and past a border of the ledger, never writes into a catch-all.</summary>
public sealed class PartitionTests(PostgresServer postgres) : IClassFixture<PostgresServer>
{
    [Theory]
    [InlineData("UTC")]
    [InlineData("America/New_York")]
    [InlineData("Pacific/Kiritimati")]
    public async Task Every_month_has_its_partition_before_it_begins(string zone)
    {
        var deadline = Deadline.Of(TimeSpan.FromSeconds(60));
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var first = TimeProvider.System.GetUtcNow();
        for (var days = 0; days < 500; days += 10)
        {
            var now = first.AddDays(days);
            await EnsureAsync(database, now, deadline, zone);
            // Whatever begins until the next look, ten days late.
            await HistoryAsync(database, deadline, now, now.AddDays(10), now.AddDays(20));
        }

        Assert.Equal("0 0", await RestAsync(database, deadline));
        Assert.Equal(150L, await database.ScalarAsync<long>("SELECT count(*) FROM task_history", deadline));
    }

    [Fact]
    public async Task The_borders_of_a_month_belong_to_it()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var begins = new DateTimeOffset(2031, 3, 1, 0, 0, 0, TimeSpan.Zero);
        await EnsureAsync(database, begins.AddMilliseconds(-1), deadline);
        await HistoryAsync(database, deadline, begins.AddMilliseconds(-1), begins, begins.AddMonths(1).AddMilliseconds(-1), begins.AddMonths(1));
        Assert.Equal("0 0", await RestAsync(database, deadline));
        Assert.Equal(2L, await database.ScalarAsync<long>("SELECT count(*) FROM task_history_203103", deadline));
    }

    [Fact]
    public async Task What_landed_in_a_catch_all_while_a_town_slept_is_moved_and_does_not_stop_it()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var late = TimeProvider.System.GetUtcNow().AddMonths(7);
        await HistoryAsync(database, deadline, late, late.AddDays(1));
        await database.ExecuteAsync("""
            INSERT INTO task_output (task_id, epoch, start_offset, bytes) SELECT id, 1, 0, 'x' FROM task_history
            """, deadline);
        Assert.Equal("2 2", await RestAsync(database, deadline));
        await EnsureAsync(database, late, deadline);
        await EnsureAsync(database, late.AddDays(1), deadline);
        Assert.Equal("0 0", await RestAsync(database, deadline));
        Assert.Equal(2L, await database.ScalarAsync<long>("SELECT count(*) FROM task_history h JOIN task_output o ON o.task_id = h.id", deadline));
    }

    [Fact]
    public async Task The_ledger_goes_over_the_border_of_a_partition_without_its_catch_all()
    {
        const long Border = 16_777_216;
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var seed = new Seed(database);
        var chain = new LedgerChain(database.Sequencer);
        for (var part = 1; part <= 6; part++)
        {
            await database.ExecuteAsync(
                $"UPDATE ledger_head SET seq = {(part * Border) - 3} WHERE town = '{database.Town}'", deadline);
            await seed.Reaping.EnsurePartitionsAsync(deadline);
            await database.ExecuteAsync($"INSERT INTO ledger_pending (town, actor, action) SELECT '{database.Town}', 'test', 'TaskAssigned' FROM generate_series(1, 6)", deadline);
            Assert.Equal(6, (await chain.SealAsync(database.Town, part, 100, deadline)).Sealed);
            Assert.Equal(0L, await database.ScalarAsync<long>("SELECT count(*) FROM ledger_rest", deadline));
            Assert.Equal(4L, await database.ScalarAsync<long>($"SELECT count(*) FROM ledger_{part} WHERE seq < {(part * Border) + 100}", deadline));
        }
    }

    /// <param name="zone">Of the session that makes them: months are months of UTC wherever the server stands.</param>
    private static Task EnsureAsync(TestDatabase database, DateTimeOffset now, CancellationToken deadline, string zone = "UTC") =>
        database.ScalarAsync<int>(
            $"SELECT ensure_partitions('{now.ToString("O", CultureInfo.InvariantCulture)}'::timestamptz) FROM set_config('timezone', '{zone}', true)", deadline);

    private static async Task HistoryAsync(TestDatabase database, CancellationToken deadline, params DateTimeOffset[] instants)
    {
        var rows = instants.Select(at => $"('{Guid.CreateVersion7(at)}', '{database.Town}', 'completed', 0, 'x', '{{}}', 1, 1, 0, 0, 'test', now(), now())");
        await database.ExecuteAsync(
            "INSERT INTO task_history (id, town, state, priority, description, tags, max_attempts, attempt, failures, crashes, created_by, created_at, completed_at) VALUES "
            + string.Join(',', rows), deadline);
    }

    private static Task<string?> RestAsync(TestDatabase database, CancellationToken deadline) => database.ScalarAsync<string>(
        "SELECT (SELECT count(*) FROM task_history_rest) || ' ' || (SELECT count(*) FROM task_output_rest)", deadline);
}
