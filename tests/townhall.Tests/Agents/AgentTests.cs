using System.Text.Json;
using Townhall.Testing;

namespace Townhall.Api.Tests.Agents;

/// <summary>Agents and the town's status over HTTP.</summary>
public sealed class AgentTests(PostgresServer postgres, RedisServer redis) : IClassFixture<PostgresServer>, IClassFixture<RedisServer>
{
    [Fact]
    public async Task An_agent_has_a_parent_that_exists_or_is_not_made()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        var ann = await api.SpawnAsync("ann", deadline);
        foreach (var (parent, status, code) in ((string, int, string?)[])
            [(Guid.NewGuid().ToString(), 404, "agent_not_found"), ("no-uuid", 400, "bad_json"), (ann.ToString(), 201, null), ("00000000-0000-0000-0000-000000000001", 201, null)])
        {
            var answer = await api.PostAsync("/v1/agents", $$"""{"name":"of {{parent[..4]}}","cli":"sh","role_id":"reviewer","parent_agent_id":"{{parent}}"}""", deadline);
            Assert.True(answer.Status == status, answer.Text);
            if (status == 201)
            {
                Assert.Equal((parent, "reviewer", JsonValueKind.Null), (answer.Json.GetProperty("parent_agent_id").GetString(), answer.Json.GetProperty("role_id").GetString(), answer.Json.GetProperty("nickname").ValueKind));
            }
            else
            {
                Assert.Equal(code, answer.Code);
            }
        }

        Assert.Equal(3, await api.CountAsync("agent", deadline));
    }

    [Fact]
    public async Task A_nickname_that_is_anothers_name_is_refused_and_a_role_can_be_changed_and_taken_away()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        await api.SpawnAsync("ann", deadline);
        await api.SpawnAsync("bob", deadline);
        foreach (var (body, status, code) in ((string, int, string)[])
            [("""{"nickname":"BOB"}""", 409, "agent_name_taken"), ("""{"nickname":"conductor"}""", 409, "agent_name_reserved"), ("""{"role_id":7}""", 422, "invalid_value")])
        {
            var refused = await api.SendAsync(HttpMethod.Patch, "/v1/agents/ann", body, deadline);
            Assert.Equal((status, code), (refused.Status, refused.Code));
        }

        var changed = await api.SendAsync(HttpMethod.Patch, "/v1/agents/ann", """{"role_id":"reviewer","nickname":"Ann"}""", deadline);
        Assert.Equal(("reviewer", "Ann"), (changed.Json.GetProperty("role_id").GetString(), changed.Json.GetProperty("nickname").GetString()));
        Assert.Equal("ann", (await api.GetAsync("/v1/agents/Ann%20%5Breviewer%5D", deadline)).Json.GetProperty("name").GetString());
        changed = await api.SendAsync(HttpMethod.Patch, "/v1/agents/ann", """{"role_id":null}""", deadline);
        Assert.Equal(JsonValueKind.Null, changed.Json.GetProperty("role_id").ValueKind);
    }

    [Fact]
    public async Task What_means_two_agents_is_409_wherever_it_is_said()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        foreach (var name in (string[])["one", "two"])
        {
            Assert.Equal(201, (await api.PostAsync("/v1/agents", $$"""{"name":"{{name}}","cli":"sh","nickname":"Twin"}""", deadline)).Status);
        }

        var task = (await api.PostAsync("/v1/backlog", """{"description":"x"}""", deadline)).Json.GetProperty("task_id").GetString();
        foreach (var (path, body) in ((string, string)[])
            [("/v1/agents/twin/kill", ""), ("/v1/agents/twin/restart", ""), ("/v1/agents/twin/pause", ""), ("/v1/agents/twin/inbox", ""), ("/v1/reclaim", """{"from":"twin"}"""),
             ("/v1/reclaim", """{"to":"twin"}"""), ("/v1/tasks/assign", """{"agent":"twin","task":"x"}"""), ($"/v1/backlog/{task}/claim", """{"agent":"twin"}"""),
             ("/v1/backlog/assign-all", """{"agent":"twin"}"""), ("/v1/messages/send", """{"to":"twin","message":"x"}"""), ("/v1/messages/send", """{"to":"one","message":"x","from":"twin"}""")])
        {
            var refused = await api.PostAsync(path, body, deadline);
            Assert.True((refused.Status, refused.Code) == (409, "agent_ambiguous"), $"{path} {body}: {refused.Text}");
        }

        Assert.Equal(409, (await api.GetAsync("/v1/agents/twin", deadline)).Status);
        Assert.Equal(409, (await api.GetAsync("/v1/tasks?agent=twin", deadline)).Status);
        Assert.Equal((1, 0), (await api.CountAsync("task", deadline), await api.CountAsync("message", deadline)));
    }

    [Fact]
    public async Task Status_is_whole_and_with_deep_says_what_is_going_on()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        var ann = await api.SpawnAsync("ann", deadline);
        var task = await api.AssignAsync("ann", "work", deadline);
        var worker = Guid.CreateVersion7();
        await api.Database.ExecuteAsync($"""
            INSERT INTO worker (id, town, name, host, pid, version, runtimes, slots, sandbox, token_hash)
            VALUES ('{worker}', '{api.Database.Town}', 'w', 'here', 1, '1', ARRAY['command'], 8, 'none', decode(repeat('00', 32), 'hex'));
            UPDATE task SET state = 'running', attempt = 1, lease_token = gen_random_uuid(), lease_worker = '{worker}', lease_until = now() + interval '1 minute', leased_at = now();
            UPDATE agent SET running = 1
            """, deadline);
        var plain = (await api.GetAsync("/v1/status", deadline)).Json;
        Assert.False(plain.TryGetProperty("deep", out _));
        foreach (var member in (string[])["name", "root", "redis_url", "agent_count", "agents", "tasks", "workers"])
        {
            Assert.True(plain.TryGetProperty(member, out _), member);
        }

        var agent = plain.GetProperty("agents")[0];
        foreach (var member in (string[])
            ["id", "name", "nickname", "role_id", "parent_agent_id", "spawn_mode", "cli", "state", "rounds_completed", "tasks_completed", "inbox_len", "urgent_len", "current_scope", "phase"])
        {
            Assert.True(agent.TryGetProperty(member, out _), member);
        }

        Assert.Equal(("Working", "Act", "work", 1), (agent.GetProperty("state").GetString(), agent.GetProperty("phase").GetString(), agent.GetProperty("current_scope").GetString(), plain.GetProperty("agent_count").GetInt32()));
        var deep = (await api.GetAsync("/v1/status?deep=true", deadline)).Json.GetProperty("deep");
        Assert.Equal((task, ann, worker), (deep.GetProperty("running")[0].GetProperty("task_id").GetString(), deep.GetProperty("running")[0].GetProperty("agent_id").GetGuid(), deep.GetProperty("running")[0].GetProperty("worker_id").GetGuid()));
        Assert.Equal((worker, 1), (deep.GetProperty("workers")[0].GetProperty("id").GetGuid(), deep.GetProperty("workers")[0].GetProperty("holding").GetInt32()));
    }

    [Fact]
    public async Task A_retry_with_a_key_is_one_retry()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        await api.SpawnAsync("ann", deadline);
        var task = await api.AssignAsync("ann", "work", deadline);
        await api.EndAsync("failed", deadline);
        var first = await api.PostAsync($"/v1/tasks/{task}/retry", "", deadline, "key-1");
        var second = await api.PostAsync($"/v1/tasks/{task}/retry", "", deadline, "key-1");
        Assert.Equal((201, 201, true, first.Text), (first.Status, second.Status, second.Replayed, second.Text));
        Assert.Equal(task, first.Json.GetProperty("retry_of").GetString());
        Assert.Equal("already_retried", (await api.PostAsync($"/v1/tasks/{task}/retry", "", deadline, "key-2")).Code);
        Assert.Equal(1, await api.CountAsync("task", deadline));
    }
}
