using System.Text;
using System.Text.Json;
using Townhall.Testing;

namespace Townhall.Api.Tests;

/// <summary>A town of its own, served by as many townhall processes as a test wants, over HTTP.</summary>
internal sealed class Api : IAsyncDisposable
{
    private readonly RedisInstance _redis;
    private readonly List<ServiceProcess> _replicas = [];
    private readonly IReadOnlyDictionary<string, string> _settings;

    private Api(TestDatabase database, RedisInstance redis, IReadOnlyDictionary<string, string> settings) =>
        (Database, _redis, _settings) = (database, redis, settings);

    public TestDatabase Database { get; }

    /// <param name="settings">Beside the usual ones.</param>
    public static async Task<Api> StartAsync(
        PostgresServer postgres, RedisServer redis, CancellationToken deadline, int replicas = 1, IReadOnlyDictionary<string, string>? settings = null)
    {
        var api = new Api(await postgres.CreateDatabaseAsync(deadline), redis.Instance, settings ?? new Dictionary<string, string>());
        for (var i = 0; i < replicas; i++)
        {
            await api.AddReplicaAsync(deadline);
        }

        return api;
    }

    public async Task AddReplicaAsync(CancellationToken deadline)
    {
        var settings = Database.Settings(_redis);
        foreach (var (name, value) in _settings)
        {
            settings[name] = value;
        }

        _replicas.Add(await ServiceProcess.StartAsync("services/townhall", settings, deadline));
    }

    /// <summary>Kills one at once, as a crash would.</summary>
    public async Task KillReplicaAsync(int replica, CancellationToken deadline)
    {
        await _replicas[replica].Process.KillAsync(deadline);
        await _replicas[replica].DisposeAsync();
        _replicas.RemoveAt(replica);
    }

    public Task<Answer> PostAsync(string path, string json, CancellationToken deadline, string? key = null, int replica = 0) =>
        PostAsync(path, json, key is null ? [] : [key], deadline, replica);

    public async Task<Answer> PostAsync(string path, string json, string[] keys, CancellationToken deadline, int replica = 0)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(path, UriKind.Relative))
        {
            Content = new StringContent(json, Encoding.UTF8, "application/json"),
        };
        // With 100-continue a client hears the refusal of a large body before it has sent it.
        request.Headers.ExpectContinue = json.Length > 1024 * 1024;
        foreach (var key in keys)
        {
            request.Headers.TryAddWithoutValidation("Idempotency-Key", key);
        }

        var answer = await Answer.ReadAsync(await _replicas[replica].Client.SendAsync(request, deadline), deadline);
        Assert.True(answer.Status != 500, $"{answer.Text}\n{_replicas[replica].Process.Log}");
        return answer;
    }

    /// <summary>A call that one header makes different from all others.</summary>
    public async Task<Answer> PostWithAsync(string path, string json, string header, string value, CancellationToken deadline)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(path, UriKind.Relative))
        {
            Content = new StringContent(json, Encoding.UTF8, header == "Content-Type" ? value : "application/json"),
        };
        if (header != "Content-Type")
        {
            request.Headers.TryAddWithoutValidation(header, value);
        }

        return await Answer.ReadAsync(await _replicas[0].Client.SendAsync(request, deadline), deadline);
    }

    public async Task<Answer> GetAsync(string path, CancellationToken deadline, int replica = 0) =>
        await Answer.ReadAsync(await _replicas[replica].Client.GetAsync(new Uri(path, UriKind.Relative), deadline), deadline);

    /// <summary>Any other call: a JSON text, bytes or no body, and the headers that matter.</summary>
    public async Task<Answer> SendAsync(HttpMethod method, string path, object? body, CancellationToken deadline, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, new Uri(path, UriKind.Relative))
        {
            Content = body switch
            {
                null => null,
                byte[] bytes => new ByteArrayContent(bytes),
                _ => new StringContent((string)body, Encoding.UTF8, "application/json"),
            },
        };
        foreach (var (name, value) in headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        var answer = await Answer.ReadAsync(await _replicas[0].Client.SendAsync(request, deadline), deadline);
        Assert.True(answer.Status != 500, $"{answer.Text}\n{_replicas[0].Process.Log}");
        return answer;
    }

    public async Task<Guid> SpawnAsync(string name, CancellationToken deadline)
    {
        var answer = await PostAsync("/v1/agents", $$"""{"name":"{{name}}","cli":"sh"}""", deadline);
        Assert.Equal(201, answer.Status);
        return answer.Json.GetProperty("agent_id").GetGuid();
    }

    /// <summary>Hands over a task and answers its id.</summary>
    public async Task<string> AssignAsync(string agent, string task, CancellationToken deadline, string more = "")
    {
        var answer = await PostAsync("/v1/tasks/assign", $$"""{"agent":"{{agent}}","task":"{{task}}"{{more}}}""", deadline);
        Assert.Equal(201, answer.Status);
        return answer.Json.GetProperty("task_id").GetString()!;
    }

    /// <summary>Ends tasks as a dispatcher would, without one.</summary>
    public async Task EndAsync(string state, CancellationToken deadline, string where = "true", string? failureCode = null)
    {
        var count = await Database.ExecuteAsync($"""
            WITH gone AS (DELETE FROM task WHERE {where} RETURNING *)
            INSERT INTO task_history (id, town, agent_id, state, priority, description, tags, max_attempts, timeout_secs, deadline, concurrency_key,
                rate_key, attempt, failures, crashes, created_by, created_at, retry_of, failure_code)
            SELECT id, town, agent_id, '{state}', priority, description, tags, max_attempts, timeout_secs, deadline, concurrency_key,
                rate_key, 1, 0, 0, created_by, created_at, retry_of, {(failureCode is null ? "NULL" : $"'{failureCode}'")} FROM gone
            """, deadline);
        await Database.ExecuteAsync($"INSERT INTO task_count_delta (town, assigned, {state}) VALUES ('{Database.Town}', -{count}, {count})", deadline);
    }

    /// <summary>Counters equal rows.</summary>
    public async Task CountersHoldAsync(CancellationToken deadline) => Assert.Equal(0, await CountAsync($"""
        task_count_now c WHERE c.town = '{Database.Town}' AND (
               c.pending <> (SELECT count(*) FROM task WHERE state = 'pending') OR c.assigned <> (SELECT count(*) FROM task WHERE state = 'assigned')
            OR c.running <> (SELECT count(*) FROM task WHERE state = 'running') OR c.failed <> (SELECT count(*) FROM task_history WHERE state = 'failed')
            OR c.cancelled <> (SELECT count(*) FROM task_history WHERE state = 'cancelled') OR c.dead <> (SELECT count(*) FROM task_history WHERE state = 'dead'))
        """, deadline));

    public Task<long> CountAsync(string from, CancellationToken deadline) =>
        Database.ScalarAsync<long>($"SELECT count(*) FROM {from}", deadline);

    public async ValueTask DisposeAsync()
    {
        foreach (var replica in _replicas)
        {
            await replica.DisposeAsync();
        }

        await Database.DisposeAsync();
    }
}

/// <summary>One answer, read whole.</summary>
internal sealed record Answer(int Status, string Text, bool Replayed, string? Location, string? RetryAfter)
{
    public string? Tag { get; init; }

    public JsonElement Json => JsonDocument.Parse(Text).RootElement;

    public string? Code => Json.TryGetProperty("code", out var code) ? code.GetString() : null;

    public static async Task<Answer> ReadAsync(HttpResponseMessage response, CancellationToken deadline)
    {
        using (response)
        {
            return new(
                (int)response.StatusCode, await response.Content.ReadAsStringAsync(deadline),
                response.Headers.TryGetValues("Idempotency-Replayed", out var told) && told.Single() == "true",
                response.Headers.Location?.ToString(), response.Headers.RetryAfter?.ToString())
            {
                Tag = response.Headers.ETag?.ToString(),
            };
        }
    }
}
