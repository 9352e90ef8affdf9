using Townhall.Testing;

namespace Townhall.Api.Tests.Agents;

/// <summary><c>TOWN_MAX_AGENTS</c> holds, whoever asks and however many at once.</summary>
public sealed class CeilingTests(PostgresServer postgres, RedisServer redis) : IClassFixture<PostgresServer>, IClassFixture<RedisServer>
{
    private static readonly Dictionary<string, string> Three = new() { ["TOWN_MAX_AGENTS"] = "3" };

    [Fact]
    public async Task Many_spawns_at_once_on_two_replicas_make_no_more_agents_than_the_town_may_have()
    {
        var deadline = Deadline.Of(TimeSpan.FromSeconds(60));
        await using var api = await Api.StartAsync(postgres, redis, deadline, replicas: 2, Three);
        var answers = await Task.WhenAll(Enumerable.Range(0, 40).Select(i =>
            api.PostAsync("/v1/agents", $$"""{"name":"a{{i}}","cli":"sh"}""", deadline, key: i % 4 < 2 ? null : $"key-{i}", replica: i % 2)));
        Assert.Equal(3, answers.Count(static answer => answer.Status == 201));
        Assert.All(answers.Where(static answer => answer.Status != 201), static answer => Assert.Equal((409, "too_many_agents"), (answer.Status, answer.Code)));
        Assert.Equal((3, 3, 0), (
            await api.CountAsync("agent", deadline), await api.CountAsync("ledger_pending WHERE action = 'AgentSpawned'", deadline),
            await api.CountAsync("idempotency WHERE made NOT IN (SELECT id FROM agent)", deadline)));
    }

    [Fact]
    public async Task Who_has_ended_makes_room_and_begins_again_only_while_there_is_room()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline, replicas: 1, Three);
        foreach (var name in (string[])["ann", "bob", "cid"])
        {
            await api.SpawnAsync(name, deadline);
        }

        Assert.Equal("too_many_agents", (await api.PostAsync("/v1/agents", """{"name":"dan","cli":"sh"}""", deadline, "dan")).Code);
        // Paused is not ended.
        await api.PostAsync("/v1/agents/ann/pause", "", deadline);
        Assert.Equal("too_many_agents", (await api.PostAsync("/v1/agents", """{"name":"dan","cli":"sh"}""", deadline, "dan")).Code);
        await api.PostAsync("/v1/agents/ann/kill", "", deadline);
        Assert.Equal(201, (await api.PostAsync("/v1/agents", """{"name":"dan","cli":"sh"}""", deadline, "dan")).Status);
        // A repeat gets its answer, also where nobody could be made now.
        Assert.True((await api.PostAsync("/v1/agents", """{"name":"dan","cli":"sh"}""", deadline, "dan")).Replayed);

        var refused = await api.PostAsync("/v1/agents/ann/restart", "", deadline);
        Assert.Equal((409, "too_many_agents"), (refused.Status, refused.Code));
        Assert.Equal("Stopped", (await api.GetAsync("/v1/agents/ann", deadline)).Json.GetProperty("state").GetString());
        Assert.Equal(0, await api.CountAsync("ledger_pending WHERE action = 'AgentRestarted'", deadline));
        await api.PostAsync("/v1/agents/bob/kill", "", deadline);
        Assert.Equal(200, (await api.PostAsync("/v1/agents/ann/restart", "", deadline)).Status);
        // What is not possible anyway is said as such.
        Assert.Equal("agent_move_refused", (await api.PostAsync("/v1/agents/ann/restart", "", deadline)).Code);
    }
}
