using Townhall.Contracts.Workers;
using Townhall.Dispatcher.Control;
using Townhall.Dispatcher.Workers;
using Townhall.Testing;

namespace Townhall.Dispatcher.Tests.Control;

/// <summary>A message stands in the prompt of its agent's next attempt, and is kept until an attempt that had it was completed.</summary>
public sealed class MessagePromptTests(PostgresServer postgres) : IClassFixture<PostgresServer>
{
    private readonly CancellationToken _deadline = Deadline.Usual();

    [Fact]
    public async Task The_next_attempt_reads_urgent_messages_first_and_each_group_in_the_order_it_was_sent()
    {
        await using var database = await postgres.CreateDatabaseAsync(_deadline);
        var (seed, worker, agent) = await TownAsync(database);
        await SendAsync(database, agent, "one");
        await SendAsync(database, agent, "two\nlines", urgent: true);
        await SendAsync(database, agent, "three", urgent: true);
        await SendAsync(database, agent, "four");
        var lease = await LeaseAsync(seed, worker, agent);
        Assert.Equal(
            ["work", "", SpokenPrompts.Heading, "# two", "# lines", "# three", "# one", "# four", ""],
            lease.Description.Split('\n').Where(static line => !line.StartsWith("# [", StringComparison.Ordinal)));
        Assert.Contains("] query from bob, urgent, message ", lease.Description, StringComparison.Ordinal);
        Assert.Equal(4L, await EntriesAsync(database, "MessageDelivered"));
    }

    [Fact]
    public async Task A_message_is_not_lost_with_the_attempt_that_had_it()
    {
        await using var database = await postgres.CreateDatabaseAsync(_deadline);
        var (seed, worker, agent) = await TownAsync(database);
        await SendAsync(database, agent, "remember me");
        foreach (var outcome in (string[])["released", "failed"])
        {
            var lease = await LeaseAsync(seed, worker, agent);
            Assert.Contains("remember me", lease.Description, StringComparison.Ordinal);
            await seed.Settling.SettleAsync([Seed.End(worker, lease, outcome, exit: outcome == "failed" ? 1 : null)], _deadline);
            Assert.Equal(1L, await database.ScalarAsync<long>("SELECT count(*) FROM message", _deadline));
        }

        await seed.TasksAsync(agent, 1, _deadline);
        var crashed = await LeaseAsync(seed, worker, agent);
        Assert.Contains("remember me", crashed.Description, StringComparison.Ordinal);
        await database.ExecuteAsync("UPDATE task SET lease_until = now() - interval '1 minute'", _deadline);
        await seed.Reaping.ExpireAsync(_deadline);
        var last = await LeaseAsync(seed, worker, agent);
        Assert.Contains("remember me", last.Description, StringComparison.Ordinal);
        Assert.Equal(0L, await EntriesAsync(database, "MessageActedOn"));
        await seed.Settling.SettleAsync([Seed.End(worker, last)], _deadline);
        Assert.Equal((0L, 1L), (await database.ScalarAsync<long>("SELECT count(*) FROM message", _deadline), await EntriesAsync(database, "MessageActedOn")));
        Assert.False(await database.ScalarAsync<bool>("SELECT mail FROM agent", _deadline));
        await seed.HoldsAsync(_deadline);
    }

    [Fact]
    public async Task A_result_of_an_attempt_that_a_newer_one_replaced_takes_no_message_away()
    {
        await using var database = await postgres.CreateDatabaseAsync(_deadline);
        var (seed, worker, agent) = await TownAsync(database);
        await SendAsync(database, agent, "remember me");
        var old = await LeaseAsync(seed, worker, agent);
        await database.ExecuteAsync("UPDATE task SET lease_until = now() - interval '1 minute'", _deadline);
        await seed.Reaping.ExpireAsync(_deadline);
        var lease = await LeaseAsync(seed, worker, agent);
        Assert.Equal(Verdicts.Stale, (await seed.Settling.SettleAsync([Seed.End(worker, old)], _deadline))[0].Verdict);
        Assert.Equal(1L, await database.ScalarAsync<long>("SELECT count(*) FROM message", _deadline));
        await seed.Settling.SettleAsync([Seed.End(worker, lease)], _deadline);
        Assert.Equal(0L, await database.ScalarAsync<long>("SELECT count(*) FROM message", _deadline));
    }

    [Fact]
    public async Task Two_attempts_at_once_never_get_the_same_message()
    {
        await using var database = await postgres.CreateDatabaseAsync(_deadline);
        var seed = new Seed(database);
        var agent = await seed.AgentAsync("ann", _deadline, concurrency: 2);
        await seed.TasksAsync(agent, 2, _deadline);
        await SendAsync(database, agent, "once");
        var worker = await seed.WorkerAsync(_deadline);
        var leases = await seed.ClaimAsync(worker, 2, _deadline, agent);
        Assert.Equal(2, leases.Count);
        Assert.Single(leases, static lease => lease.Description.Contains("once", StringComparison.Ordinal));
        var without = leases.Single(static lease => !lease.Description.Contains("once", StringComparison.Ordinal));
        await seed.Settling.SettleAsync([Seed.End(worker, without)], _deadline);
        Assert.Equal(1L, await database.ScalarAsync<long>("SELECT count(*) FROM message", _deadline));
    }

    [Fact]
    public async Task A_lost_lease_reply_loses_no_message_and_gives_none_twice()
    {
        await using var database = await postgres.CreateDatabaseAsync(_deadline);
        var (seed, worker, agent) = await TownAsync(database);
        await SendAsync(database, agent, "once");
        var lease = await LeaseAsync(seed, worker, agent);
        var request = await database.ScalarAsync<Guid>("SELECT lease_request FROM task", _deadline);
        Assert.Equal(lease.Description, Assert.Single(await seed.Leases.RepeatAsync(worker.Id, request, _deadline)).Description);
        Assert.Equal(1L, await EntriesAsync(database, "MessageDelivered"));
    }

    [Fact]
    public async Task A_message_that_is_a_task_is_the_prompt_itself_and_ends_with_the_task()
    {
        await using var database = await postgres.CreateDatabaseAsync(_deadline);
        var seed = new Seed(database);
        var agent = await seed.AgentAsync("ann", _deadline);
        await SendAsync(database, agent, "please rebase", kind: "task", task: Guid.CreateVersion7());
        var worker = await seed.WorkerAsync(_deadline);
        var lease = await LeaseAsync(seed, worker, agent);
        Assert.Equal("please rebase", lease.Description);
        await seed.Settling.SettleAsync([Seed.End(worker, lease)], _deadline);
        Assert.Equal(0L, await database.ScalarAsync<long>("SELECT count(*) FROM message", _deadline));
        await seed.HoldsAsync(_deadline);
    }

    private async Task<(Seed Seed, KnownWorker Worker, Guid Agent)> TownAsync(TestDatabase database)
    {
        var seed = new Seed(database);
        var agent = await seed.AgentAsync("ann", _deadline);
        await seed.TasksAsync(agent, 1, _deadline);
        return (seed, await seed.WorkerAsync(_deadline), agent);
    }

    private async Task<Lease> LeaseAsync(Seed seed, KnownWorker worker, Guid agent) =>
        Assert.Single(await seed.ClaimAsync(worker, 1, _deadline, agent));

    private async Task SendAsync(TestDatabase database, Guid to, string text, bool urgent = false, string kind = "query", Guid? task = null) =>
        Assert.Equal("sent", await database.ScalarAsync<string>($"""
            SELECT send_message('{database.Town}', '{Guid.CreateVersion7()}', '{to}', '{kind}', {urgent}, NULL, 'bob', '{text}', NULL, NULL, NULL,
                {(task is null ? "NULL" : $"'{task}'")}, 'test', 1000)
            """, _deadline));

    private Task<long> EntriesAsync(TestDatabase database, string action) =>
        database.ScalarAsync<long>($"SELECT count(*) FROM ledger_pending WHERE action = '{action}'", _deadline);
}
