using System.Security.Cryptography;
using System.Text;
using Townhall.Testing;

namespace Townhall.Api.Tests.Caching;

/// <summary>Reads that are asked again and again, bytes under their hash, and refusals of what is not there at all.</summary>
public sealed class EntityTagTests(PostgresServer postgres, RedisServer redis) : IClassFixture<PostgresServer>, IClassFixture<RedisServer>
{
    [Fact]
    public async Task A_read_that_nothing_changed_for_is_answered_304_and_one_that_changed_is_not()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        await api.SpawnAsync("ann", deadline);
        var task = await api.AssignAsync("ann", "work", deadline);
        var other = await api.AssignAsync("ann", "other", deadline);
        await api.PostAsync($"/v1/tasks/{other}/steer", """{"text":"left"}""", deadline);
        await api.SendAsync(HttpMethod.Put, "/v1/limits/town", """{"max_concurrency":3}""", deadline);
        await api.SendAsync(HttpMethod.Put, "/v1/limits/k", """{"max_concurrency":3}""", deadline);
        var bulk = (await api.PostAsync("/v1/tasks/bulk", """{"action":"cancel","dry_run":true}""", deadline)).Json;
        await api.PostAsync("/v1/keys", """{"name":"ci","scopes":["town.read"]}""", deadline);
        // What runs is held longer with every look, which is no news.
        await api.Database.ExecuteAsync($"""
            UPDATE task SET state = 'running', attempt = 1, lease_token = gen_random_uuid(), lease_worker = gen_random_uuid(), lease_until = now() + interval '1 minute', leased_at = now()
            WHERE id = '{other}'
            """, deadline);
        string[] paths =
            ["/v1/limits", "/v1/limits/town", "/v1/limits/town/holders", "/v1/tenants/default", $"/v1/tasks/bulk/{bulk.GetProperty("bulk_id").GetString()}", "/v1/keys",
             $"/v1/tasks/{task}/explain", $"/v1/tasks/{other}/steering", $"/v1/tasks/{task}", "/v1/tasks", "/v1/tasks/pending", "/v1/agents", "/v1/agents/ann", "/v1/agents/ann/inbox", "/v1/status", "/v1/status?deep=true", "/v1/backlog", "/v1/town"];
        var tags = new Dictionary<string, string>();
        foreach (var path in paths)
        {
            var first = await api.GetAsync(path, deadline);
            Assert.True((first.Status, first.Tag is not null) == (200, true), path);
            tags[path] = first.Tag!;
            foreach (var known in (string[])[first.Tag!, $"\"other\", W/{first.Tag}", "*"])
            {
                var again = await api.SendAsync(HttpMethod.Get, path, null, deadline, ("If-None-Match", known));
                Assert.Equal((304, "", first.Tag), (again.Status, again.Text, again.Tag));
            }

            Assert.Equal(200, (await api.SendAsync(HttpMethod.Get, path, null, deadline, ("If-None-Match", "\"other\""))).Status);
            Assert.Equal(200, (await api.SendAsync(HttpMethod.Get, path, null, deadline, ("If-None-Match", "nonsense"))).Status);
        }

        await api.PostAsync($"/v1/tasks/{task}/cancel", "", deadline);
        await api.PostAsync("/v1/backlog", """{"description":"more"}""", deadline);
        await api.PostAsync($"/v1/tasks/{other}/steer", """{"text":"right"}""", deadline);
        await api.SendAsync(HttpMethod.Put, "/v1/limits/town", """{"max_concurrency":4}""", deadline);
        await api.SendAsync(HttpMethod.Put, "/v1/tenants/default", """{"weight":4}""", deadline);
        await api.PostAsync("/v1/tasks/bulk", $$"""{"confirm_token":"{{bulk.GetProperty("confirm_token").GetString()}}"}""", deadline);
        await api.PostAsync("/v1/keys", """{"name":"more","scopes":["town.read"]}""", deadline);
        foreach (var path in paths.Except(["/v1/town"]))
        {
            Assert.Equal(200, (await api.SendAsync(HttpMethod.Get, path, null, deadline, ("If-None-Match", tags[path]))).Status);
        }
    }

    [Fact]
    public async Task A_blob_is_its_bytes_and_cannot_be_stored_under_another_name()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        var bytes = Encoding.UTF8.GetBytes("not {json");
        var name = Convert.ToHexStringLower(SHA256.HashData(bytes));
        var made = await api.SendAsync(HttpMethod.Post, "/v1/blobs", bytes, deadline);
        Assert.Equal((201, name, bytes.Length, $"/v1/blobs/{name}"), (made.Status, made.Json.GetProperty("sha256").GetString(), made.Json.GetProperty("bytes").GetInt32(), made.Location));
        Assert.Equal(201, (await api.SendAsync(HttpMethod.Put, $"/v1/blobs/{name}", bytes, deadline)).Status);
        Assert.Equal("not {json", (await api.GetAsync($"/v1/blobs/{name}", deadline)).Text);
        Assert.Equal(304, (await api.SendAsync(HttpMethod.Get, $"/v1/blobs/{name}", null, deadline, ("If-None-Match", $"\"{name}\""))).Status);
        var wrong = await api.SendAsync(HttpMethod.Put, $"/v1/blobs/{new string('0', 64)}", bytes, deadline);
        Assert.Equal((422, "blob_hash_mismatch"), (wrong.Status, wrong.Code));
        Assert.Equal(400, (await api.SendAsync(HttpMethod.Put, "/v1/blobs/short", bytes, deadline)).Status);
        Assert.Equal(201, (await api.SendAsync(HttpMethod.Post, "/v1/blobs", new byte[1024 * 1024], deadline)).Status);
        Assert.Equal((413, "body_too_large"), (await api.SendAsync(HttpMethod.Post, "/v1/blobs", new byte[(1024 * 1024) + 1], deadline)) is var large ? (large.Status, large.Code) : default);
        Assert.Equal(2, await api.CountAsync("blob", deadline));
    }

    [Fact]
    public async Task What_is_not_there_or_not_offered_is_a_problem_document_too()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        foreach (var (method, path, body, status, code) in ((HttpMethod, string, object?, int, string)[])
            [(HttpMethod.Get, "/v1/nothing", null, 404, "unknown_path"), (HttpMethod.Get, "/v2/tasks", null, 404, "unknown_path"),
             (HttpMethod.Put, "/v1/tasks", "{}", 405, "method_not_allowed"), (HttpMethod.Delete, "/v1/agents/ann", null, 405, "method_not_allowed"),
             (HttpMethod.Post, "/v1/backlog", Encoding.UTF8.GetBytes("x=1"), 415, "json_expected"), (HttpMethod.Post, "/v1/backlog", "{", 400, "bad_json"),
             (HttpMethod.Post, "/v1/messages/send", """{"to":"a","message":"b","cc":"c"}""", 400, "bad_json"), (HttpMethod.Get, "/v1/tasks?limit=many", null, 400, "bad_request")])
        {
            var refused = await api.SendAsync(method, path, body, deadline);
            Assert.True((refused.Status, refused.Code) == (status, code), $"{method} {path}: {refused.Status} {refused.Text}");
        }
    }
}
