using Microsoft.AspNetCore.Http;
using Townhall.Api.Limits;
using Townhall.ServiceDefaults.Problems;
using Townhall.Testing;

namespace Townhall.Api.Tests.Limits;

public sealed class LimitTests(PostgresServer postgres) : IClassFixture<PostgresServer>
{
    [Fact]
    public async Task A_limit_is_set_replaced_and_taken_back_and_never_touches_what_is_held()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var limits = new Parts(database).Limits;
        Assert.Equal("404 limit_not_found", Code(await LimitEndpoints.GetLimit("api", limits, deadline)));
        Assert.Equal("404 limit_not_found", Code(await LimitEndpoints.DeleteLimit("api", Parts.Somebody, limits, deadline)));

        var set = Value<LimitView>(await LimitEndpoints.PutLimit("api", new(MaxConcurrency: 3), Parts.Somebody, limits, deadline));
        Assert.Equal(new LimitView("api", 3, null, 1, true, 0, null, 0), set);
        await database.ExecuteAsync("UPDATE limit_key SET held = 2", deadline);
        set = Value<LimitView>(await LimitEndpoints.PutLimit("api", new(MaxConcurrency: 1, RatePerMinute: 60, Burst: 5), Parts.Somebody, limits, deadline));
        Assert.Equal((1, 60.0, 5, 2L, 5.0), (set.MaxConcurrency, set.RatePerMinute, set.Burst, set.Held, set.Tokens));

        Assert.IsType<Microsoft.AspNetCore.Http.HttpResults.NoContent>((await LimitEndpoints.DeleteLimit("api", Parts.Somebody, limits, deadline)).Result);
        Assert.Equal(new LimitView("api", 1, null, 1, false, 2, null, 0), Value<LimitView>(await LimitEndpoints.GetLimit("api", limits, deadline)));
        Assert.Equal("404 limit_not_found", Code(await LimitEndpoints.DeleteLimit("api", Parts.Somebody, limits, deadline)));
        Assert.Equal(3L, await database.ScalarAsync<long>("SELECT count(*) FROM ledger_pending WHERE action = 'LimitChanged'", deadline));
    }

    [Fact]
    public async Task A_changed_rate_keeps_what_was_saved_up_as_far_as_the_burst_holds_it()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var limits = new Parts(database).Limits;
        await limits.SetAsync("llm", new(RatePerMinute: 1, Burst: 10), "test", deadline);
        await database.ExecuteAsync("UPDATE limit_key SET tokens = 0, refilled_at = clock_timestamp() - interval '4 min'", deadline);
        await limits.SetAsync("llm", new(RatePerMinute: 0.001, Burst: 10), "test", deadline);
        Assert.InRange((await limits.FindAsync("llm", deadline))!.Tokens!.Value, 4, 4.1);
        await limits.SetAsync("llm", new(RatePerMinute: 0.001, Burst: 2), "test", deadline);
        Assert.Equal(2, (await limits.FindAsync("llm", deadline))!.Tokens);
    }

    [Fact]
    public async Task The_town_itself_is_a_key_that_holds_all_that_runs_and_no_limit_when_it_is_taken_back()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var parts = new Parts(database);
        var task = Parts.Task(await parts.SpawnAsync("ann", deadline));
        await parts.Tasks.AcceptAsync([task], deadline);
        await database.ExecuteAsync($"""
            UPDATE task SET state = 'running', attempt = 2, lease_token = gen_random_uuid(), lease_worker = gen_random_uuid(),
                leased_at = now() - interval '5 s', lease_until = now() + interval '1 minute'
            """, deadline);
        Assert.Equal("422 invalid_value", Code(await LimitEndpoints.PutLimit("town", new(RatePerMinute: 1), Parts.Somebody, parts.Limits, deadline)));
        Assert.Equal(1, Value<LimitView>(await LimitEndpoints.PutLimit("town", new(MaxConcurrency: 4), Parts.Somebody, parts.Limits, deadline)).Held);
        var holders = Value<HoldersView>(await LimitEndpoints.GetHolders("town", parts.Limits, deadline));
        var holder = Assert.Single(holders.Holders);
        Assert.Equal((task.Id.Value, "ann", 2, 4), (holder.TaskId, holder.AgentName, holder.Attempt, holders.MaxConcurrency));
        Assert.InRange(holder.HeldForSecs, 5, 60);
        await LimitEndpoints.DeleteLimit("town", Parts.Somebody, parts.Limits, deadline);
        Assert.Null((await parts.Limits.FindAsync("town", deadline))!.MaxConcurrency);
    }

    [Fact]
    public async Task Holders_of_a_key_are_the_running_tasks_that_name_it_and_the_parked_are_counted()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var parts = new Parts(database);
        var agent = await parts.SpawnAsync("ann", deadline);
        var tasks = Enumerable.Range(0, 3).Select(_ => Parts.Task(agent) with { ConcurrencyKey = "a/b" }).Append(Parts.Task(agent)).ToArray();
        await parts.Tasks.AcceptAsync(tasks, deadline);
        await database.ExecuteAsync($"""
            UPDATE task SET state = 'running', attempt = 1, lease_token = gen_random_uuid(), lease_worker = gen_random_uuid(),
                leased_at = now(), lease_until = now() + interval '1 minute' WHERE id IN ('{tasks[0].Id}', '{tasks[3].Id}');
            UPDATE limit_key SET held = 1
            """, deadline);
        var holders = Value<HoldersView>(await LimitEndpoints.GetHolders("a%2Fb", parts.Limits, deadline));
        Assert.Equal(("a/b", 1, 1L, 2L, tasks[0].Id.Value), (holders.Key, holders.MaxConcurrency, holders.Held, holders.Parked, Assert.Single(holders.Holders).TaskId));
        Assert.Equal("404 limit_not_found", Code(await LimitEndpoints.GetHolders("other", parts.Limits, deadline)));
    }

    [Fact]
    public async Task The_list_is_paged_by_key()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var limits = new Parts(database).Limits;
        foreach (var key in (string[])["c", "a", "ü"])
        {
            await limits.SetAsync(key, new(MaxConcurrency: 1), "test", deadline);
        }

        var keys = new List<string>();
        string? cursor = null;
        do
        {
            var page = Value<LimitListView>(await LimitEndpoints.ListLimits(limits, deadline, 2, cursor));
            keys.AddRange(page.Limits.Select(static limit => limit.Key));
            cursor = page.NextCursor;
        }
        while (cursor is not null);
        Assert.Equal(["a", "c", "ü"], keys);
        Assert.Equal("400 bad_cursor", Code(await LimitEndpoints.ListLimits(limits, deadline, 2, "%%%")));
        Assert.Equal("400 bad_query", Code(await LimitEndpoints.ListLimits(limits, deadline, 0)));
    }

    [Fact]
    public async Task Values_out_of_bounds_are_refused()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var limits = new Parts(database).Limits;
        foreach (var limit in (NewLimit[])[new(MaxConcurrency: -1), new(RatePerMinute: 0), new(RatePerMinute: double.NaN), new(Burst: 0)])
        {
            Assert.Equal("422 invalid_value", Code(await LimitEndpoints.PutLimit("api", limit, Parts.Somebody, limits, deadline)));
        }

        Assert.Equal("422 invalid_value", Code(await LimitEndpoints.PutTenant("blue", new(null), Parts.Somebody, limits, deadline)));
        Assert.Equal("422 invalid_value", Code(await LimitEndpoints.PutTenant("blue", new(101), Parts.Somebody, limits, deadline)));
        Assert.Equal("400 bad_query", Code(await LimitEndpoints.GetLimit(new string('x', 129), limits, deadline)));
    }

    [Fact]
    public async Task A_tenants_share_is_one_until_somebody_says_otherwise()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var parts = new Parts(database);
        await parts.SpawnAsync("ann", deadline);
        Assert.Equal(new TenantView("default", 1, 1), Value<TenantView>(await LimitEndpoints.GetTenant("default", parts.Limits, deadline)));
        for (var i = 0; i < 2; i++)
        {
            Assert.Equal(new TenantView("blue", 7, 0), Value<TenantView>(await LimitEndpoints.PutTenant("blue", new(7), Parts.Somebody, parts.Limits, deadline)));
        }

        Assert.Equal(1L, await database.ScalarAsync<long>("SELECT count(*) FROM ledger_pending WHERE action = 'TenantChanged'", deadline));
    }

    private static string? Code(INestedHttpResult result) => result.Result is Refusal refusal ? $"{refusal.Status} {refusal.Code}" : null;

    private static T Value<T>(INestedHttpResult result)
        where T : class => (result.Result as IValueHttpResult<T>)?.Value ?? throw new InvalidOperationException($"{result.Result}");
}
