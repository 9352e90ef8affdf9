using Townhall.Testing;

namespace Townhall.Api.Tests.Tasks;

public sealed class RetryTests(PostgresServer postgres, RedisServer redis) : IClassFixture<PostgresServer>, IClassFixture<RedisServer>
{
    [Theory]
    [InlineData("failed")]
    [InlineData("cancelled")]
    [InlineData("dead")]
    public async Task A_retry_is_a_new_task_with_everything_of_the_old_one(string state)
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        await api.SpawnAsync("a", deadline);
        var old = await api.AssignAsync("a", "work", deadline,
            ""","priority":7,"max_attempts":4,"timeout_secs":9.5,"total_timeout_secs":60,"concurrency_key":"c","rate_key":"r","tags":["t","u"]""");
        await api.EndAsync(state, deadline);
        var before = await api.GetAsync($"/v1/tasks/{old}", deadline);

        var retried = await api.PostAsync($"/v1/tasks/{old}/retry", "", deadline);
        Assert.Equal(201, retried.Status);
        var made = retried.Json.GetProperty("task_id").GetString()!;
        Assert.Equal($"/v1/tasks/{made}", retried.Location);
        Assert.NotEqual(old, made);
        Assert.Equal((old, "assigned"), (retried.Json.GetProperty("retry_of").GetString(), retried.Json.GetProperty("state").GetString()));
        foreach (var same in (string[])["agent_id", "agent_name", "description", "priority", "max_attempts", "tags", "concurrency_key", "rate_key"])
        {
            Assert.Equal(before.Json.GetProperty(same).GetRawText(), retried.Json.GetProperty(same).GetRawText());
        }

        Assert.Equal(60, (retried.Json.GetProperty("deadline").GetDateTime() - retried.Json.GetProperty("created_at").GetDateTime()).TotalSeconds);
        Assert.Equal(1, await api.CountAsync($"task WHERE id = '{made}' AND timeout_secs = 9.5", deadline));
        Assert.Equal(before.Text, (await api.GetAsync($"/v1/tasks/{old}", deadline)).Text);
        Assert.Equal(1, await api.CountAsync($"ledger_pending WHERE action = 'TaskRetried' AND task_id = '{old}' AND detail LIKE '%{made}%'", deadline));
        Assert.Equal(1, await api.CountAsync($"ledger_pending WHERE action = 'TaskAssigned' AND task_id = '{made}'", deadline));
        await api.CountersHoldAsync(deadline);
    }

    [Fact]
    public async Task Many_retries_at_once_make_one_and_force_makes_another()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline, replicas: 2);
        await api.SpawnAsync("a", deadline);
        var old = await api.AssignAsync("a", "work", deadline);
        await api.EndAsync("failed", deadline);
        var answers = await Task.WhenAll(Enumerable.Range(0, 30).Select(i => api.PostAsync($"/v1/tasks/{old}/retry", "", deadline, replica: i % 2)));
        Assert.Single(answers, static answer => answer.Status == 201);
        Assert.Equal(29, answers.Count(static answer => answer is { Status: 409, Code: "already_retried" }));
        Assert.Equal(1, await api.CountAsync("task", deadline));

        await api.EndAsync("failed", deadline);
        Assert.Equal("already_retried", (await api.PostAsync($"/v1/tasks/{old}/retry", "{}", deadline)).Code);
        Assert.Equal(201, (await api.PostAsync($"/v1/tasks/{old}/retry", """{"force":true}""", deadline)).Status);
    }

    [Fact]
    public async Task What_may_not_be_retried_says_why_and_nothing_is_made()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        await api.SpawnAsync("a", deadline);
        var live = await api.AssignAsync("a", "live", deadline);
        var done = await api.AssignAsync("a", "done", deadline);
        await api.EndAsync("completed", deadline, $"id = '{done}'");
        Assert.Equal((409, "task_not_ended"), await RetryAsync(live));
        Assert.Equal((409, "task_completed"), await RetryAsync(done));
        Assert.Equal((404, "task_not_found"), await RetryAsync(Guid.NewGuid().ToString()));
        Assert.Equal((400, "bad_query"), await RetryAsync("no-id"));
        Assert.Equal(1, await api.CountAsync("task", deadline));

        Assert.Equal(201, (await api.PostAsync($"/v1/tasks/{done}/retry", """{"force":true}""", deadline)).Status);
        await api.EndAsync("failed", deadline);
        await api.Database.ExecuteAsync("UPDATE agent SET control = 'stopped'", deadline);
        Assert.Equal((409, "agent_not_accepting"), await RetryAsync(live));
        Assert.Equal(0, await api.CountAsync("ledger_pending WHERE action = 'TaskRetried' AND task_id = '" + live + "'", deadline));

        async Task<(int, string?)> RetryAsync(string id)
        {
            var answer = await api.PostAsync($"/v1/tasks/{id}/retry", "", deadline);
            return (answer.Status, answer.Code);
        }
    }
}
