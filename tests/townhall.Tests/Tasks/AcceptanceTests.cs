using Npgsql;
using Townhall.Api.Tasks;
using Townhall.Contracts.Ids;
using Townhall.Testing;

namespace Townhall.Api.Tests.Tasks;

public sealed class AcceptanceTests(PostgresServer postgres) : IClassFixture<PostgresServer>
{
    [Fact]
    public async Task One_bad_row_fails_alone_and_the_others_of_its_batch_are_accepted()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var parts = new Parts(database);
        var agent = await parts.SpawnAsync("a", deadline);
        using var acceptance = parts.Acceptance();

        // Offered before the lanes run, so that they stand in one batch.
        var good = Enumerable.Range(0, 20).Select(_ => acceptance.AcceptAsync(Parts.Task(agent), deadline)).ToList();
        var bad = acceptance.AcceptAsync(Parts.Task(agent, "not \0 storable"), deadline);
        await acceptance.StartAsync(deadline);

        Assert.All(await Task.WhenAll(good), static judged => Assert.Equal(AcceptOutcome.Accepted, judged.Outcome));
        await Assert.ThrowsAsync<PostgresException>(() => bad);
        Assert.Equal(20L, await database.ScalarAsync<long>("SELECT count(*) FROM task", deadline));
        Assert.Equal(20L, await database.ScalarAsync<long>("SELECT count(*) FROM ledger_pending WHERE action = 'TaskAssigned'", deadline));
        Assert.Equal(20L, await database.ScalarAsync<long>($"SELECT assigned FROM task_count_now WHERE town = '{database.Town}'", deadline));
        await acceptance.StopAsync(deadline);
    }

    [Fact]
    public async Task What_one_row_says_and_another_leaves_out_goes_into_one_batch()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var parts = new Parts(database);
        var plain = Parts.Task(await parts.SpawnAsync("a", deadline));
        var at = new DateTime(2199, 1, 2, 3, 4, 5, DateTimeKind.Utc);
        var full = plain with
        {
            Id = TaskId.New(),
            MaxAttempts = 3,
            TimeoutSecs = 4.5,
            NotBefore = at,
            Deadline = at,
            TotalTimeoutSecs = 60,
            ConcurrencyKey = "c",
            RateKey = "r",
            TagsJson = """["t"]""",
            Key = Parts.Keyed(plain.Agent, "k", "b").Key,
            Response = "{}",
        };
        Assert.Equal(
            [new(AcceptOutcome.Accepted), new(AcceptOutcome.Accepted), new(AcceptOutcome.Accepted)],
            await parts.Tasks.AcceptAsync([plain, full, plain with { Id = TaskId.New() }], deadline));
        Assert.Equal(1L, await database.ScalarAsync<long>("SELECT count(*) FROM task WHERE available_at = '2199-01-02T03:04:05Z' AND tags = '{t}'", deadline));
    }

    [Fact]
    public async Task Offers_with_one_key_in_one_batch_give_one_task_and_another_body_is_told_so()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var parts = new Parts(database);
        var agent = await parts.SpawnAsync("a", deadline);
        using var acceptance = parts.Acceptance();

        // Offered before the lanes run, so that they stand in one batch.
        var offers = Enumerable.Range(0, 60).Select(i => acceptance.AcceptAsync(Parts.Keyed(agent, $"k-{i % 2}", body: i % 10 == 9 ? "b" : "a"), deadline)).ToList();
        await acceptance.StartAsync(deadline);

        var judged = await Task.WhenAll(offers);
        Assert.Equal(2, judged.Count(static one => one.Outcome == AcceptOutcome.Accepted));
        Assert.Equal(6, judged.Count(static one => one.Outcome == AcceptOutcome.KeyReused));
        Assert.Equal(52, judged.Count(static one => one is { Outcome: AcceptOutcome.Replayed, Status: 201 }));
        Assert.Equal(2L, await database.ScalarAsync<long>("SELECT count(*) FROM task", deadline));
        Assert.Equal(2L, await database.ScalarAsync<long>($"SELECT assigned FROM task_count_now WHERE town = '{database.Town}'", deadline));
        await acceptance.StopAsync(deadline);
    }

    [Fact]
    public async Task A_refused_offer_refuses_its_repeats_alike_and_another_call_with_its_key_is_judged_for_itself()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var parts = new Parts(database);
        var agent = await parts.SpawnAsync("a", deadline);
        using var acceptance = parts.Acceptance();
        var refused = Enumerable.Range(0, 2).Select(_ => acceptance.AcceptAsync(Parts.Keyed(AgentId.New(), "k", body: "a"), deadline)).ToList();
        var other = acceptance.AcceptAsync(Parts.Keyed(agent, "k", body: "b"), deadline);
        await acceptance.StartAsync(deadline);
        Assert.All(await Task.WhenAll(refused), static judged => Assert.Equal(AcceptOutcome.AgentNotFound, judged.Outcome));
        Assert.Equal(AcceptOutcome.Accepted, (await other).Outcome);
        await acceptance.StopAsync(deadline);
    }

    [Theory]
    [InlineData("stopped")]
    [InlineData("draining")]
    [InlineData("error")]
    public async Task An_agent_that_takes_no_work_is_given_none(string control)
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var parts = new Parts(database);
        var agent = await parts.SpawnAsync("a", deadline);
        await database.ExecuteAsync($"UPDATE agent SET control = '{control}'", deadline);
        Assert.Equal(
            [new(AcceptOutcome.AgentNotAccepting), new(AcceptOutcome.AgentNotFound)],
            await parts.Tasks.AcceptAsync([Parts.Task(agent), Parts.Task(AgentId.New())], deadline));
        Assert.Equal(0L, await database.ScalarAsync<long>("SELECT count(*) FROM task", deadline));
    }

    [Fact]
    public async Task Work_that_has_not_started_is_cancelled_for_good_and_an_ended_task_stays_as_it_ended()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var parts = new Parts(database);
        var task = Parts.Task(await parts.SpawnAsync("a", deadline));
        await parts.Tasks.AcceptAsync([task], deadline);
        Assert.Equal("cancelled", await parts.Tasks.CancelAsync(task.Id, "test", deadline));
        Assert.Equal("cancelled", await parts.Tasks.CancelAsync(task.Id, "test", deadline));
        Assert.Equal("cancelled", (await parts.Tasks.FindAsync(task.Id, deadline))?.State);
        Assert.Equal(0L, await database.ScalarAsync<long>("SELECT count(*) FROM task", deadline));
        Assert.Equal(1L, await database.ScalarAsync<long>("SELECT count(*) FROM ledger_pending WHERE action = 'TaskCancelled'", deadline));
        Assert.Null(await parts.Tasks.CancelAsync(TaskId.New(), "test", deadline));
    }

    [Fact]
    public async Task A_running_task_is_noted_as_cancelled_once_and_stays_running_until_its_worker_says_so()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var parts = new Parts(database);
        var task = Parts.Task(await parts.SpawnAsync("a", deadline));
        await parts.Tasks.AcceptAsync([task], deadline);
        await database.ExecuteAsync(
            "UPDATE task SET state = 'running', lease_token = gen_random_uuid(), lease_worker = gen_random_uuid(), lease_until = now()", deadline);
        Assert.Equal("running", await parts.Tasks.CancelAsync(task.Id, "test", deadline));
        Assert.Equal("running", await parts.Tasks.CancelAsync(task.Id, "test", deadline));
        Assert.Equal(1L, await database.ScalarAsync<long>("SELECT count(*) FROM task WHERE cancel_requested_at IS NOT NULL", deadline));
        Assert.Equal(1L, await database.ScalarAsync<long>("SELECT count(*) FROM ledger_pending WHERE action = 'TaskCancelRequested'", deadline));
    }
}
