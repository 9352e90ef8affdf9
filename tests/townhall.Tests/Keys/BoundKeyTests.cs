using Townhall.Contracts.Keys;
using Townhall.Testing;

namespace Townhall.Api.Tests.Keys;

/// <summary>What a key that is bound to an agent may do, and that it may do no more.</summary>
public sealed class BoundKeyTests(PostgresServer postgres, RedisServer redis) : IClassFixture<PostgresServer>, IClassFixture<RedisServer>, IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("townhall-bound-").FullName;
    private readonly CancellationToken _deadline = Deadline.Usual();
    private Api _api = null!;
    private string _admin = "";

    [Fact]
    public async Task A_key_of_an_agent_does_nothing_to_others_and_what_it_may_not_touch_is_not_there_for_it()
    {
        await StartAsync();
        var (ann, bob) = (await SpawnAsync("ann"), await SpawnAsync("bob"));
        var key = await KeyAsync("ann", ann, "town.read", "town.write");
        var (own, others) = (await AssignAsync("ann"), await AssignAsync("bob"));
        var backlog = (await CallAsync(_admin, "/v1/backlog", """{"description":"x"}""")).Json.GetProperty("task_id").GetString();
        await CallAsync(_admin, $"/v1/tasks/{await AssignAsync("bob")}/cancel", "");
        var ended = (await _api.SendAsync(HttpMethod.Get, "/v1/tasks?state=cancelled", null, _deadline, Key(_admin))).Json.GetProperty("tasks")[0].GetProperty("task_id").GetString();
        var mail = (await CallAsync(_admin, "/v1/messages/send", """{"to":"bob","message":"x","kind":"info"}""")).Json.GetProperty("message_id").GetString();
        var before = await StateAsync();
        foreach (var (path, body, code) in ((string, string, string)[])
            [("/v1/tasks/assign", """{"agent":"bob","task":"x"}""", "agent_not_found"), ("/v1/tasks/assign", $$"""{"agent":"{{bob}}","task":"x"}""", "agent_not_found"),
             ("/v1/tasks/assign", $$"""{"agent":"agent:{{bob}}","task":"x"}""", "agent_not_found"),
             ($"/v1/tasks/{others}/cancel", "", "task_not_found"), ($"/v1/tasks/{others}/steer", """{"text":"x"}""", "task_not_found"), ($"/v1/tasks/{ended}/retry", "", "task_not_found"),
             ($"/v1/backlog/{backlog}/claim", """{"agent":"bob"}""", "agent_not_found"), ("/v1/backlog/assign-all", """{"agent":"bob"}""", "agent_not_found"),
             ("/v1/tasks/bulk", """{"action":"cancel","filter":{"agent":"bob"},"dry_run":true}""", "agent_not_found"),
             ("/v1/tasks/bulk", """{"action":"reassign","to":"bob","dry_run":true}""", "agent_not_found")])
        {
            var refused = await CallAsync(key, path, body);
            Assert.True((refused.Status, refused.Code) == (404, code), $"{path} {body}: {refused.Status} {refused.Text}");
            // Not to be told from what does not exist: also not with a key for repeats.
            Assert.Equal(404, (await _api.SendAsync(HttpMethod.Post, path, body, _deadline, Key(key), ("Idempotency-Key", path))).Status);
        }

        Assert.Equal("task_not_in_backlog", (await _api.SendAsync(HttpMethod.Delete, $"/v1/backlog/{backlog}", null, _deadline, Key(key))).Code);
        Assert.Equal("message_not_found", (await _api.SendAsync(HttpMethod.Delete, $"/v1/messages/{mail}", null, _deadline, Key(key))).Code);
        var words = await CallAsync(key, "/v1/messages/send", """{"to":"bob","message":"do it"}""");
        Assert.Equal((403, "bound_to_agent"), (words.Status, words.Code));
        var rows = (await CallAsync(key, "/v1/tasks/assign-batch", """{"tasks":[{"agent":"bob","task":"x"}]}""")).Json;
        Assert.Equal((0, "agent_not_found"), (rows.GetProperty("accepted").GetInt32(), rows.GetProperty("tasks")[0].GetProperty("error").GetProperty("code").GetString()));
        Assert.Equal(before, await StateAsync());
        Assert.Equal(200, (await _api.SendAsync(HttpMethod.Get, $"/v1/tasks/{others}", null, _deadline, Key(key))).Status);
        Assert.Equal(200, (await CallAsync(key, $"/v1/tasks/{own}/cancel", "")).Status);
    }

    [Fact]
    public async Task A_key_of_an_agent_works_for_its_own_agent_and_on_what_it_handed_over()
    {
        await StartAsync();
        var ann = await SpawnAsync("ann");
        await SpawnAsync("bob");
        var key = await KeyAsync("ann", ann, "town.read", "town.write");
        await AssignAsync("bob");
        var task = (await CallAsync(key, "/v1/tasks/assign", """{"agent":"ann","task":"x"}""")).Json.GetProperty("task_id").GetString();
        Assert.Equal(202, (await CallAsync(key, $"/v1/tasks/{task}/steer", """{"text":"x"}""")).Status);
        // Without an agent it means its own.
        Assert.Equal(1, (await CallAsync(key, "/v1/tasks/bulk", """{"action":"cancel","dry_run":true}""")).Json.GetProperty("count").GetInt32());
        Assert.Equal(200, (await CallAsync(key, $"/v1/tasks/{task}/cancel", "")).Status);
        Assert.Equal(201, (await CallAsync(key, $"/v1/tasks/{task}/retry", "")).Status);
        var (first, second) = (await AddAsync(), await AddAsync());
        Assert.Equal(200, (await CallAsync(key, $"/v1/backlog/{first}/claim", """{"agent":"ann"}""")).Status);
        Assert.Equal(200, (await _api.SendAsync(HttpMethod.Delete, $"/v1/backlog/{second}", null, _deadline, Key(key))).Status);
        Assert.Equal(201, (await CallAsync(key, "/v1/messages/send", """{"to":"bob","message":"x","kind":"query"}""")).Status);
        Assert.Equal(201, (await CallAsync(key, "/v1/messages/send", """{"to":"ann","message":"x"}""")).Status);
        Assert.Equal(201, (await CallAsync(key, "/v1/messages/send", """{"to":"supervisor","message":"x"}""")).Status);

        async Task<string> AddAsync() => (await CallAsync(key, "/v1/backlog", """{"description":"x"}""")).Json.GetProperty("task_id").GetString()!;
    }

    [Fact]
    public async Task An_agent_that_manages_others_never_changes_removes_or_frees_itself()
    {
        await StartAsync();
        var ann = await SpawnAsync("ann");
        await SpawnAsync("bob");
        foreach (var key in (string[])[await KeyAsync("lead", ann, "town.read", "town.write", "agent.manage"), await KeyAsync("chief", ann, "admin")])
        {
            Assert.Equal(201, (await CallAsync(key, "/v1/tasks/assign", """{"agent":"bob","task":"x"}""")).Status);
            Assert.Equal(200, (await CallAsync(key, "/v1/agents/bob/pause", "")).Status);
            Assert.Equal(200, (await _api.SendAsync(HttpMethod.Patch, "/v1/agents/bob", """{"weight":2}""", _deadline, Key(key))).Status);
            Assert.Equal(200, (await CallAsync(key, "/v1/agents/prune?dry_run=true", "{}")).Status);
            var before = await StateAsync();
            foreach (var (method, path, body) in ((HttpMethod, string, string?)[])
                [(HttpMethod.Patch, "/v1/agents/ann", """{"max_concurrency":9}"""), (HttpMethod.Patch, $"/v1/agents/{ann}", """{"weight":9}"""),
                 (HttpMethod.Post, "/v1/agents/prune", """{"all":true}"""), (HttpMethod.Put, "/v1/limits/town", """{"max_concurrency":9}"""),
                 (HttpMethod.Delete, "/v1/limits/town", null), (HttpMethod.Put, "/v1/tenants/default", """{"weight":9}""")])
            {
                var refused = await _api.SendAsync(method, path, body, _deadline, Key(key));
                Assert.True((refused.Status, refused.Code) == (403, "bound_to_agent"), $"{path}: {refused.Text}");
            }

            Assert.Equal(before, await StateAsync());
        }

        var chief = await KeyAsync("chief-2", ann, "admin");
        Assert.Equal("bound_to_agent", (await CallAsync(chief, "/v1/keys", """{"name":"free","scopes":["admin"]}""")).Code);
        var id = (await _api.SendAsync(HttpMethod.Get, "/v1/keys", null, _deadline, Key(chief))).Json.GetProperty("keys")[0].GetProperty("key_id").GetString();
        Assert.Equal("bound_to_agent", (await CallAsync(chief, $"/v1/keys/{id}/rotate", "{}")).Code);
    }

    public void Dispose()
    {
        _api?.DisposeAsync().AsTask().GetAwaiter().GetResult();
        Directory.Delete(_folder, recursive: true);
    }

    private async Task StartAsync()
    {
        (_admin, _, _) = KeyFormat.Make();
        var file = Path.Combine(_folder, "admin.key");
        await File.WriteAllTextAsync(file, _admin, _deadline);
        _api = await Api.StartAsync(postgres, redis, _deadline, settings: new Dictionary<string, string>
        {
            ["TOWN_AUTH_MODE"] = "api_key",
            ["TOWN_ADMIN_KEY_FILE"] = file,
        });
    }

    /// <summary>All that a call could have changed.</summary>
    private async Task<string> StateAsync() => (await _api.Database.ScalarAsync<string>("""
        SELECT concat_ws(' ', (SELECT count(*) FROM task), (SELECT count(*) FROM task_history), (SELECT count(*) FROM message), (SELECT count(*) FROM steering),
            (SELECT count(*) FROM bulk_selection), (SELECT count(*) FROM idempotency), (SELECT count(*) FROM limit_key WHERE configured), (SELECT count(*) FROM tenant),
            (SELECT string_agg(a::text, ',' ORDER BY a.id) FROM agent a), (SELECT count(*) FROM ledger_pending WHERE action <> 'AccessDenied'))
        """, _deadline))!;

    private Task<Answer> CallAsync(string key, string path, string body) => _api.SendAsync(HttpMethod.Post, path, body, _deadline, Key(key));

    private async Task<Guid> SpawnAsync(string name) =>
        (await CallAsync(_admin, "/v1/agents", $$"""{"name":"{{name}}","cli":"sh"}""")).Json.GetProperty("agent_id").GetGuid();

    private async Task<string> AssignAsync(string agent) =>
        (await CallAsync(_admin, "/v1/tasks/assign", $$"""{"agent":"{{agent}}","task":"x"}""")).Json.GetProperty("task_id").GetString()!;

    private async Task<string> KeyAsync(string name, Guid agent, params string[] scopes)
    {
        var made = await CallAsync(_admin, "/v1/keys", $$"""{"name":"{{name}}","agent_id":"{{agent}}","scopes":["{{string.Join("\",\"", scopes)}}"]}""");
        Assert.Equal(201, made.Status);
        return made.Json.GetProperty("key").GetString()!;
    }

    private static (string, string) Key(string key) => ("Authorization", $"Bearer {key}");
}
