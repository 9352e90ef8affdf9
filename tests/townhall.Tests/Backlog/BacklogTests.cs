using Townhall.Testing;

namespace Townhall.Api.Tests.Backlog;

/// <summary>The backlog over HTTP: nothing leaves it before it is certain who gets it.</summary>
public sealed class BacklogTests(PostgresServer postgres, RedisServer redis) : IClassFixture<PostgresServer>, IClassFixture<RedisServer>
{
    [Fact]
    public async Task Claiming_with_a_wrong_name_leaves_the_task_in_the_backlog()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        var task = await AddAsync(api, "sort the attic", deadline);
        foreach (var (body, status, code) in ((string, int, string)[])
            [("""{"agent":"nobody"}""", 404, "agent_not_found"), ("""{"agent":"supervisor"}""", 409, "agent_is_supervisor"), ("{}", 422, "invalid_value")])
        {
            var refused = await api.PostAsync($"/v1/backlog/{task}/claim", body, deadline);
            Assert.Equal((status, code), (refused.Status, refused.Code));
            refused = await api.PostAsync("/v1/backlog/assign-all", body, deadline);
            Assert.Equal((status, code), (refused.Status, refused.Code));
        }

        var listed = (await api.GetAsync("/v1/backlog", deadline)).Json;
        Assert.Equal(task, listed.GetProperty("backlog")[0].GetProperty("task_id").GetString());
        Assert.Equal((1, 1L), (listed.GetProperty("count").GetInt32(), listed.GetProperty("total").GetInt64()));
        await api.CountersHoldAsync(deadline);
    }

    [Fact]
    public async Task Claiming_for_an_agent_that_takes_no_work_leaves_the_task_in_the_backlog()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        var task = await AddAsync(api, "work", deadline);
        await api.SpawnAsync("ann", deadline);
        await api.PostAsync("/v1/agents/ann/kill", "", deadline);
        Assert.Equal("agent_not_accepting", (await api.PostAsync($"/v1/backlog/{task}/claim", """{"agent":"ann"}""", deadline)).Code);
        Assert.Equal("agent_not_accepting", (await api.PostAsync("/v1/backlog/assign-all", """{"agent":"ann"}""", deadline)).Code);
        Assert.Equal(1, await api.CountAsync("task WHERE state = 'pending' AND agent_id IS NULL", deadline));
    }

    [Fact]
    public async Task A_task_is_claimed_by_one_of_many_and_the_others_are_told_that_it_is_gone()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        var task = await AddAsync(api, "work", deadline);
        for (var i = 0; i < 8; i++)
        {
            await api.SpawnAsync($"agent-{i}", deadline);
        }

        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(i =>
            api.PostAsync($"/v1/backlog/{task}/claim", $$"""{"agent":"agent-{{i}}"}""", deadline)));
        var won = Assert.Single(answers, static one => one.Status == 200).Json;
        Assert.Equal((task, true), (won.GetProperty("task_id").GetString(), won.GetProperty("agent_name").GetString()!.StartsWith("agent-", StringComparison.Ordinal)));
        Assert.All(answers.Where(static one => one.Status != 200), static one => Assert.Equal((409, "task_not_in_backlog"), (one.Status, one.Code)));
        Assert.Equal(1, await api.CountAsync("ledger_pending WHERE action = 'TaskAssigned'", deadline)
            + await api.CountAsync("ledger WHERE action = 'TaskAssigned'", deadline));
        Assert.Equal(404, (await api.PostAsync($"/v1/backlog/{Guid.NewGuid()}/claim", """{"agent":"agent-0"}""", deadline)).Status);
        Assert.Equal(400, (await api.PostAsync("/v1/backlog/no-uuid/claim", """{"agent":"agent-0"}""", deadline)).Status);
        await api.CountersHoldAsync(deadline);
    }

    [Fact]
    public async Task Assigning_the_backlog_gives_every_task_once_and_drops_none()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        await api.Database.ExecuteAsync($"""
            INSERT INTO task (id, town, state, description, max_attempts, created_by)
            SELECT gen_random_uuid(), '{api.Database.Town}', 'pending', 'work', 1, 'test' FROM generate_series(1, 2500);
            INSERT INTO task_count_delta (town, pending) VALUES ('{api.Database.Town}', 2500)
            """, deadline);
        var ann = await api.SpawnAsync("ann", deadline);
        await api.SpawnAsync("bob", deadline);
        var both = await Task.WhenAll(
            api.PostAsync("/v1/backlog/assign-all", """{"agent":"ann"}""", deadline), api.PostAsync("/v1/backlog/assign-all", """{"agent":"bob"}""", deadline));
        Assert.Equal(2500, both.Sum(static one => one.Json.GetProperty("assigned").GetInt32()));
        Assert.All(both, static one => Assert.Equal(
            (Math.Min(1000, one.Json.GetProperty("assigned").GetInt32()), false), (one.Json.GetProperty("tasks").GetArrayLength(), one.Json.GetProperty("more").GetBoolean())));
        Assert.Equal(2500, await api.CountAsync("task WHERE state = 'assigned'", deadline));
        Assert.True(await api.CountAsync($"task WHERE agent_id = '{ann}'", deadline) is > 0 and <= 2500);
        await api.CountersHoldAsync(deadline);
    }

    [Fact]
    public async Task Removing_ends_a_task_as_cancelled_and_only_while_it_is_in_the_backlog()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        await api.SpawnAsync("ann", deadline);
        var task = await AddAsync(api, "work", deadline);
        var elsewhere = await api.AssignAsync("ann", "work", deadline);
        var removed = await api.SendAsync(HttpMethod.Delete, $"/v1/backlog/{task}", null, deadline);
        Assert.Equal((200, true, task), (removed.Status, removed.Json.GetProperty("removed").GetBoolean(), removed.Json.GetProperty("task_id").GetString()));
        Assert.Equal("cancelled", (await api.GetAsync($"/v1/tasks/{task}", deadline)).Json.GetProperty("state").GetString());
        foreach (var id in (string[])[task, elsewhere, Guid.NewGuid().ToString()])
        {
            var refused = await api.SendAsync(HttpMethod.Delete, $"/v1/backlog/{id}", null, deadline);
            Assert.Equal((404, "task_not_in_backlog"), (refused.Status, refused.Code));
        }

        Assert.Equal("assigned", (await api.GetAsync($"/v1/tasks/{elsewhere}", deadline)).Json.GetProperty("state").GetString());
        await api.CountersHoldAsync(deadline);
    }

    [Fact]
    public async Task The_same_addition_twice_with_a_key_is_one_task()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        const string body = """{"description":"work","tags":["role:reviewer","docs"],"priority":5}""";
        var first = await api.PostAsync("/v1/backlog", body, deadline, "key-1");
        var second = await api.PostAsync("/v1/backlog", body, deadline, "key-1");
        Assert.Equal((201, 201, false, true), (first.Status, second.Status, first.Replayed, second.Replayed));
        Assert.Equal((first.Text, first.Location), (second.Text, second.Location));
        var row = (await api.GetAsync("/v1/backlog", deadline)).Json.GetProperty("backlog")[0];
        Assert.Equal(("reviewer", 5, "docs"), (row.GetProperty("role").GetString(), row.GetProperty("priority").GetInt32(), row.GetProperty("tags")[1].GetString()));
        Assert.Equal(1, await api.CountAsync("task", deadline));
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("""{"description":""}""")]
    [InlineData("""{"description":"a","priority":101}""")]
    [InlineData("""{"description":"a","tags":[""]}""")]
    [InlineData("""{"description":"a","role":""}""")]
    [InlineData("""{"description":"a","deadline":"2001-01-01T00:00:00Z"}""")]
    public async Task What_may_not_be_in_the_backlog_is_refused_and_makes_nothing(string body)
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        Assert.Equal(422, (await api.PostAsync("/v1/backlog", body, deadline)).Status);
        Assert.Equal(0, await api.CountAsync("task", deadline));
    }

    private static async Task<string> AddAsync(Api api, string text, CancellationToken deadline)
    {
        var added = await api.PostAsync("/v1/backlog", $$"""{"description":"{{text}}"}""", deadline);
        Assert.Equal((201, text), (added.Status, added.Json.GetProperty("description").GetString()));
        return added.Json.GetProperty("task_id").GetString()!;
    }
}
