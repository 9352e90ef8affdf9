using System.Globalization;
using Townhall.Testing;

namespace Townhall.Api.Tests.Tasks;

public sealed class AssignTests(PostgresServer postgres, RedisServer redis) : IClassFixture<PostgresServer>, IClassFixture<RedisServer>
{
    [Fact]
    public async Task Deadlines_and_keys_are_kept_and_shown()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        await api.SpawnAsync("a", deadline);
        var at = new DateTime(2199, 1, 2, 3, 4, 5, DateTimeKind.Utc);
        var task = await TaskAsync(api, $$"""{"agent":"a","task":"x","deadline":"{{at:O}}","concurrency_key":"disk","rate_key":"api"}""", deadline);
        Assert.Equal(at, task.GetProperty("deadline").GetDateTime().ToUniversalTime());
        Assert.Equal("disk", task.GetProperty("concurrency_key").GetString());
        Assert.Equal("api", task.GetProperty("rate_key").GetString());
        Assert.Null(task.GetProperty("waiting_for").GetString());
        Assert.Equal(1, await api.CountAsync("limit_key WHERE key = 'disk' AND NOT configured", deadline));

        await api.Database.ExecuteAsync("UPDATE task SET due = false, parked = 'concurrency', parked_at = now()", deadline);
        var parked = await api.GetAsync($"/v1/tasks/{task.GetProperty("task_id").GetString()}", deadline);
        Assert.Equal("concurrency", parked.Json.GetProperty("waiting_for").GetString());
    }

    [Fact]
    public async Task A_total_timeout_is_counted_from_acceptance_and_the_earlier_end_counts()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        await api.SpawnAsync("a", deadline);
        var timed = await TaskAsync(api, """{"agent":"a","task":"x","total_timeout_secs":90.5}""", deadline);
        Assert.Equal(90.5, Seconds(timed));
        var both = await TaskAsync(api, """{"agent":"a","task":"x","total_timeout_secs":90.5,"deadline":"2199-01-01T00:00:00Z"}""", deadline);
        Assert.Equal(90.5, Seconds(both));
        var earlier = TimeProvider.System.GetUtcNow().AddMinutes(10).ToString("O", CultureInfo.InvariantCulture);
        var sooner = await TaskAsync(api, $$"""{"agent":"a","task":"x","total_timeout_secs":2592000,"deadline":"{{earlier}}"}""", deadline);
        Assert.InRange(Seconds(sooner), 1, 601);
    }

    [Theory]
    [InlineData("\"deadline\":\"2020-01-01T00:00:00Z\"", "deadline_passed")]
    [InlineData("\"deadline\":\"1999-01-01T00:00:00Z\"", "invalid_value")]
    [InlineData("\"total_timeout_secs\":0", "invalid_value")]
    [InlineData("\"total_timeout_secs\":2592001", "invalid_value")]
    [InlineData("\"concurrency_key\":\"\"", "invalid_value")]
    [InlineData("\"concurrency_key\":\"town\"", "invalid_value")]
    [InlineData("\"rate_key\":\"town\"", "invalid_value")]
    [InlineData("\"rate_key\":\"a\\nb\"", "invalid_value")]
    [InlineData("\"rate_key\":\"12345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678x\"", "invalid_value")]
    public async Task What_cannot_be_kept_is_refused_and_creates_nothing(string member, string code)
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        await api.SpawnAsync("a", deadline);
        var refused = await api.PostAsync("/v1/tasks/assign", $$"""{"agent":"a","task":"x",{{member}}}""", deadline, key: "k");
        Assert.Equal((422, code), (refused.Status, refused.Code));
        Assert.Equal(0, await api.CountAsync("task", deadline));
        Assert.Equal(0, await api.CountAsync("idempotency", deadline));
        Assert.Equal(1, await api.CountAsync("ledger_pending", deadline));
    }

    private static async Task<System.Text.Json.JsonElement> TaskAsync(Api api, string body, CancellationToken deadline)
    {
        var made = await api.PostAsync("/v1/tasks/assign", body, deadline);
        Assert.Equal(201, made.Status);
        return (await api.GetAsync($"/v1/tasks/{made.Json.GetProperty("task_id").GetString()}", deadline)).Json;
    }

    private static double Seconds(System.Text.Json.JsonElement task) =>
        (task.GetProperty("deadline").GetDateTime() - task.GetProperty("created_at").GetDateTime()).TotalSeconds;
}
