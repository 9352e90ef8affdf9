using System.Text.Json;
using Townhall.Testing;

namespace Townhall.Api.Tests.Tasks;

public sealed class BatchTests(PostgresServer postgres, RedisServer redis) : IClassFixture<PostgresServer>, IClassFixture<RedisServer>
{
    private const string Batch = "/v1/tasks/assign-batch";

    [Fact]
    public async Task Each_row_is_judged_alone_and_answered_in_its_place()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        var a = await api.SpawnAsync("a", deadline);
        await api.SpawnAsync("stopped", deadline);
        await api.Database.ExecuteAsync("UPDATE agent SET control = 'stopped' WHERE name = 'stopped'", deadline);
        var answer = await api.PostAsync(Batch, """
            {"tasks":[{"agent":"a","task":"one","priority":5,"tags":["x","y"]},{"agent":"nobody","task":"x"},null,{"agent":"stopped","task":"x"},
             {"agent":"a","task":""},{"agent":"A","task":"two","deadline":"2020-01-01T00:00:00Z"},{"agent":"A","task":"two","rate_key":"r"}]}
            """, deadline);
        Assert.Equal(200, answer.Status);
        Assert.Equal((2, 5), (answer.Json.GetProperty("accepted").GetInt32(), answer.Json.GetProperty("refused").GetInt32()));
        var rows = answer.Json.GetProperty("tasks").EnumerateArray().ToList();
        Assert.Equal(
            [null, "agent_not_found", "invalid_value", "agent_not_accepting", "invalid_value", "deadline_passed", null],
            rows.Select(static row => row.TryGetProperty("error", out var error) ? error.GetProperty("code").GetString() : null));
        Assert.Equal(["agent_id", "agent_name", "task_id"], rows[0].EnumerateObject().Select(static member => member.Name).Order());
        Assert.Equal((a, "A"), (rows[6].GetProperty("agent_id").GetGuid(), rows[6].GetProperty("agent_name").GetString()));

        var first = await api.GetAsync($"/v1/tasks/{rows[0].GetProperty("task_id").GetString()}", deadline);
        Assert.Equal(("one", 5, 2), (first.Json.GetProperty("description").GetString(), first.Json.GetProperty("priority").GetInt32(), first.Json.GetProperty("tags").GetArrayLength()));
        Assert.Equal(2, await api.CountAsync("ledger_pending WHERE action = 'TaskAssigned'", deadline));
        Assert.Equal(1, await api.CountAsync("task_count_delta", deadline));
    }

    [Fact]
    public async Task Tasks_of_one_batch_keep_their_order()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        await api.SpawnAsync("a", deadline);
        Assert.Equal(500, (await api.PostAsync(Batch, Rows(500), deadline)).Json.GetProperty("accepted").GetInt32());
        Assert.Equal(0, await api.CountAsync(
            "(SELECT description::int AS said, row_number() OVER (ORDER BY rank, id) - 1 AS place FROM task) t WHERE said <> place", deadline));
    }

    [Fact]
    public async Task Many_calls_at_once_with_one_key_give_one_batch_and_one_answer()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline, replicas: 2);
        await api.SpawnAsync("a", deadline);
        var answers = await Task.WhenAll(Enumerable.Range(0, 24).Select(i => api.PostAsync(Batch, Rows(20), deadline, key: "k", replica: i % 2)));
        Assert.All(answers, answer => Assert.Equal((200, answers[0].Text), (answer.Status, answer.Text)));
        Assert.Single(answers, static answer => !answer.Replayed);
        Assert.Equal(20, await api.CountAsync("task", deadline));
        Assert.Equal(20, await api.CountAsync("ledger_pending WHERE action = 'TaskAssigned'", deadline));

        var other = await api.PostAsync(Batch, Rows(19), deadline, key: "k");
        Assert.Equal((422, "idempotency_key_reused"), (other.Status, other.Code));
        Assert.Equal(20, await api.CountAsync("task", deadline));
    }

    [Theory]
    [InlineData("""{"tasks":[]}""", 422)]
    [InlineData("""{}""", 422)]
    [InlineData("""{"tasks":[{"agent":"a","task":"x","unheard":1}]}""", 400)]
    [InlineData("""{"tasks":{}}""", 400)]
    [InlineData(null, 422)]
    public async Task A_batch_that_is_none_is_refused_and_creates_nothing(string? body, int status)
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        await api.SpawnAsync("a", deadline);
        Assert.Equal(status, (await api.PostAsync(Batch, body ?? Rows(501), deadline, key: "k")).Status);
        Assert.Equal(0, await api.CountAsync("task", deadline));
        Assert.Equal(0, await api.CountAsync("idempotency", deadline));
    }

    [Theory]
    [InlineData(7, 200)]
    [InlineData(9, 413)]
    public async Task A_body_may_have_8_MiB_and_no_more(int mib, int status)
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        await api.SpawnAsync("a", deadline);
        var text = new string('x', 128 * 1024);
        var body = JsonSerializer.Serialize(new { tasks = Enumerable.Range(0, mib * 8).Select(_ => new { agent = "a", task = text }) });
        Assert.Equal(status, (await api.PostAsync(Batch, body, deadline)).Status);
        Assert.Equal(status == 200 ? mib * 8 : 0, await api.CountAsync("task", deadline));
    }

    private static string Rows(int count) =>
        JsonSerializer.Serialize(new { tasks = Enumerable.Range(0, count).Select(static i => new { agent = "a", task = $"{i}" }) });
}
