using Microsoft.AspNetCore.Http;
using Townhall.Api.Tasks;
using Townhall.ServiceDefaults.Problems;
using Townhall.Testing;

namespace Townhall.Api.Tests.Refusals;

/// <summary>At a limit a call is answered with 503 and <c>Retry-After</c>, nothing of it is committed, and it heals by itself.</summary>
public sealed class OverloadTests(PostgresServer postgres, RedisServer redis) : IClassFixture<PostgresServer>, IClassFixture<RedisServer>
{
    [Fact]
    public async Task A_full_queue_of_offers_refuses_one_more_before_it_is_begun_and_takes_work_again()
    {
        const int WaitingMost = 8192;
        var deadline = Deadline.Of(TimeSpan.FromSeconds(60));
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var parts = new Parts(database);
        var agent = await parts.SpawnAsync("a", deadline);
        using var acceptance = parts.Acceptance();

        // Nobody commits yet: as when the disk stands still.
        var waiting = Enumerable.Range(0, WaitingMost).Select(_ => acceptance.AcceptAsync(Parts.Task(agent), deadline)).ToList();
        for (var i = 0; i < 100; i++)
        {
            var refused = await Assert.ThrowsAsync<OverloadedException>(() => acceptance.AcceptAsync(Parts.Task(agent), deadline));
            Assert.Equal((503, "overloaded", 1), Failures.Answer(refused, new DefaultHttpContext()) is { } told ? (told.Status, told.Code, told.RetryAfterSecs) : default);
        }

        await acceptance.StartAsync(deadline);
        Assert.All(await Task.WhenAll(waiting), static judged => Assert.Equal(AcceptOutcome.Accepted, judged.Outcome));
        Assert.Equal(AcceptOutcome.Accepted, (await acceptance.AcceptAsync(Parts.Task(agent), deadline)).Outcome);
        Assert.Equal(WaitingMost + 1, await database.ScalarAsync<long>("SELECT count(*) FROM task", deadline));
        Assert.Equal(WaitingMost + 1, await database.ScalarAsync<long>("SELECT count(*) FROM ledger_pending WHERE action = 'TaskAssigned'", deadline));
        await acceptance.StopAsync(deadline);
    }

    /// <summary>More calls with keys than there are connections and places in line, while the database stands still.</summary>
    [Fact]
    public async Task While_the_database_stands_still_every_answer_is_503_with_Retry_After_and_repeats_make_each_thing_once()
    {
        const int Each = 120;
        var deadline = Deadline.Of(TimeSpan.FromSeconds(60));
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        await api.SpawnAsync("a", deadline);
        (string Path, string Body, string Key)[] calls =
        [
            .. Enumerable.Range(0, Each).Select(static i => ("/v1/tasks/assign", $$"""{"agent":"a","task":"{{i}}"}""", $"assign-{i}")),
            .. Enumerable.Range(0, Each).Select(static i => ("/v1/tasks/assign-batch", $$"""{"tasks":[{"agent":"a","task":"b{{i}}"}]}""", $"batch-{i}")),
            .. Enumerable.Range(0, Each).Select(static i => ("/v1/agents", $$"""{"name":"n{{i}}","cli":"sh"}""", $"agent-{i}")),
        ];
        Answer[] stalled;
        await using (var connection = await api.Database.Owner.OpenConnectionAsync(deadline))
        await using (var transaction = await connection.BeginTransactionAsync(deadline))
        {
            await using var locks = connection.CreateCommand();
            locks.CommandText = "LOCK TABLE ledger_pending IN ACCESS EXCLUSIVE MODE";
            await locks.ExecuteNonQueryAsync(deadline);
            stalled = await Task.WhenAll(calls.Select(call => api.PostAsync(call.Path, call.Body, deadline, call.Key)));
            await transaction.RollbackAsync(deadline);
        }

        Assert.All(stalled, static answer => Assert.True((answer.Status, answer.RetryAfter) == (503, "1"), $"{answer.Status} {answer.RetryAfter} {answer.Text}"));
        Assert.Contains(stalled, static answer => answer.Code == "overloaded");
        // What was not begun was not begun. Of what took too long nothing is promised, and it may be committed when the lock is gone.
        var notBegun = calls.Where((_, i) => stalled[i].Code == "overloaded").Select(static call => $"'{call.Key}'").ToList();
        Assert.Equal(0, await api.CountAsync($"idempotency WHERE key IN ({string.Join(", ", notBegun)})", deadline));

        // The same calls again, as Retry-After says, until each has its answer.
        var answered = await Task.WhenAll(calls.Select(async call => await Eventually.Is(
            () => api.PostAsync(call.Path, call.Body, deadline, call.Key), static answer => answer.Status is 200 or 201, deadline, call.Key)));
        Assert.Equal(calls.Length, answered.Length);
        Assert.Equal((2 * Each, Each + 1), (await api.CountAsync("task", deadline), await api.CountAsync("agent", deadline)));
        Assert.Equal(2 * Each, await api.CountAsync("ledger_pending WHERE action = 'TaskAssigned'", deadline));
    }

    [Fact]
    public void Every_refusal_that_tells_to_try_again_says_when()
    {
        foreach (var refusal in NothingIsMadeTests.Refusals().Where(static one => one.Status is 429 or 503))
        {
            Assert.True(refusal.RetryAfterSecs is >= 1 and <= 60, refusal.Code);
        }
    }
}
