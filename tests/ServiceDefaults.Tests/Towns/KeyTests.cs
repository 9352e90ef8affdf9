using System.Net;
using System.Text;
using Townhall.Contracts.Keys;
using Townhall.Testing;

namespace Townhall.ServiceDefaults.Tests.Towns;

/// <summary>The life of a named key, over HTTP and in every process.</summary>
public sealed class KeyTests(PostgresServer postgres, RedisServer redis) : IClassFixture<PostgresServer>, IClassFixture<RedisServer>
{
    /// <summary>What a revoked key may still do, anywhere.</summary>
    private static readonly TimeSpan Promise = TimeSpan.FromSeconds(5);
    private readonly CancellationToken _deadline = Deadline.Of(TimeSpan.FromSeconds(120));

    [Fact]
    public async Task A_key_is_told_once_works_at_once_on_every_replica_and_names_its_holder_in_the_ledger()
    {
        await using var town = await KeyTown.StartAsync(postgres, redis, _deadline, "townhall");
        await town.AddAsync("townhall", _deadline, "second");
        var (key, id) = await town.MakeKeyAsync("ci", ["town.read", "agent.manage"], _deadline);

        Assert.Equal(201, (await town.SendAsync(HttpMethod.Post, "/v1/agents", key, _deadline, """{"name":"scout","cli":"sh"}""", "second")).Status);
        Assert.Equal("key:ci", Assert.Single(await town.EntriesAsync("AgentSpawned", _deadline)).Actor);
        Assert.Equal("admin", Assert.Single(await town.EntriesAsync("KeyCreated", _deadline)).Actor);

        var (status, list) = await town.SendAsync(HttpMethod.Get, "/v1/keys", town.Admin, _deadline);
        var told = Assert.Single(list.GetProperty("keys").EnumerateArray());
        Assert.Equal((200, id, "ci", "active"), (status, told.GetProperty("key_id").GetString(), told.GetProperty("name").GetString(), told.GetProperty("state").GetString()));
        Assert.DoesNotContain(key, list.GetRawText(), StringComparison.Ordinal);
        Assert.Equal(0, await town.Database.ScalarAsync<long>($"SELECT count(*) FROM api_key k WHERE k::text LIKE '%{key[21..64]}%'", _deadline));
    }

    [Fact]
    public async Task A_name_is_one_living_key_and_what_makes_no_sense_is_refused()
    {
        await using var town = await KeyTown.StartAsync(postgres, redis, _deadline, "townhall");
        var (_, id) = await town.MakeKeyAsync("ci", ["town.read"], _deadline);

        Assert.Equal((409, "key_name_taken"), await MakeAsync("""{"name":"CI","scopes":["town.read"]}"""));
        Assert.Equal((422, "invalid_value"), await MakeAsync("""{"name":"","scopes":["town.read"]}"""));
        Assert.Equal((422, "invalid_value"), await MakeAsync("""{"name":"a","scopes":[]}"""));
        Assert.Equal((422, "invalid_value"), await MakeAsync("""{"name":"a","scopes":["town.read","everything"]}"""));
        Assert.Equal((422, "invalid_value"), await MakeAsync("""{"name":"a","scopes":["town.read"],"expires_in_secs":1}"""));
        Assert.Equal((404, "agent_not_found"), await MakeAsync("""{"name":"a","scopes":["town.read"],"agent_id":"01890a5d-ac96-774b-bcce-b302099a8057"}"""));
        Assert.Equal((404, "key_not_found"), await SendAsync(HttpMethod.Delete, "/v1/keys/0123456789abcdef"));
        Assert.Equal((404, "key_not_found"), await SendAsync(HttpMethod.Post, "/v1/keys/nonsense/rotate"));

        Assert.Equal(204, (await SendAsync(HttpMethod.Delete, $"/v1/keys/{id}")).Status);
        Assert.Equal(204, (await SendAsync(HttpMethod.Delete, $"/v1/keys/{id}")).Status);
        Assert.Equal((409, "key_ended"), await SendAsync(HttpMethod.Post, $"/v1/keys/{id}/rotate"));
        Assert.Single(await town.EntriesAsync("KeyRevoked", _deadline));
        await town.MakeKeyAsync("ci", ["town.read"], _deadline);

        Task<(int Status, string? Code)> MakeAsync(string json) => SendAsync(HttpMethod.Post, "/v1/keys", json);

        async Task<(int Status, string? Code)> SendAsync(HttpMethod method, string path, string? json = null)
        {
            var (status, body) = await town.SendAsync(method, path, town.Admin, _deadline, json);
            return (status, body.ValueKind == System.Text.Json.JsonValueKind.Object ? body.GetProperty("code").GetString() : null);
        }
    }

    [Fact]
    public async Task A_replaced_key_goes_on_for_the_overlap_and_its_successor_is_the_same_caller()
    {
        await using var town = await KeyTown.StartAsync(postgres, redis, _deadline, "townhall");
        var (old, id) = await town.MakeKeyAsync("ci", ["town.read"], _deadline);

        var (status, made) = await town.SendAsync(HttpMethod.Post, $"/v1/keys/{id}/rotate", town.Admin, _deadline, """{"overlap_secs":3600}""");
        var key = made.GetProperty("key").GetString()!;
        Assert.Equal((201, "ci", id), (status, made.GetProperty("name").GetString(), made.GetProperty("replaced_key_id").GetString()));
        Assert.Equal(200, (await ReadAsync(town, old)).Status);
        Assert.Equal(200, (await ReadAsync(town, key)).Status);
        Assert.Equal(409, (await town.SendAsync(HttpMethod.Post, $"/v1/keys/{id}/rotate", town.Admin, _deadline)).Status);

        await town.Database.ExecuteAsync(
            $"UPDATE api_key SET expires_at = now() WHERE id = '{id}'; UPDATE api_key_version SET version = version + 1", _deadline);
        await Eventually.Is(401, async () => (await ReadAsync(town, old)).Status, Deadline.Of(Promise));
        Assert.Equal(200, (await ReadAsync(town, key)).Status);
    }

    [Fact]
    public async Task A_named_key_of_scope_worker_registers_workers_until_it_is_revoked_and_no_other_does()
    {
        await using var town = await KeyTown.StartAsync(postgres, redis, _deadline, "townhall", "dispatcher");
        var (key, id) = await town.MakeKeyAsync("pool", ["worker"], _deadline);
        var (reader, _) = await town.MakeKeyAsync("reader", ["admin"], _deadline);
        Assert.Equal(200, await RegisterAsync(key));
        Assert.Equal(200, await RegisterAsync(new string('w', 43)));
        Assert.Equal(401, await RegisterAsync(reader));
        Assert.Equal(401, await RegisterAsync(KeyFormat.Make().Key));
        Assert.Equal(401, await RegisterAsync(null));
        Assert.Equal(403, (await ReadAsync(town, key)).Status);

        Assert.Equal(204, (await town.SendAsync(HttpMethod.Delete, $"/v1/keys/{id}", town.Admin, _deadline)).Status);
        await Eventually.Is(401, () => RegisterAsync(key), Deadline.Of(Promise));
        Assert.Equal(200, await RegisterAsync(new string('w', 43)));

        async Task<int> RegisterAsync(string? credential) => (await town.SendAsync(HttpMethod.Post, "/worker/register", credential, _deadline, $$"""
            {"request_id":"{{Guid.NewGuid()}}","incarnation":"{{Guid.NewGuid()}}","name":"w","host":"h","pid":1,"version":"1","runtimes":["noop"],"slots":1,"sandbox":"none"}
            """, "dispatcher")).Status;
    }

    [Fact]
    public async Task A_revoked_key_ends_within_5_s_on_every_replica_and_so_do_the_streams_it_opened()
    {
        await using var town = await KeyTown.StartAsync(postgres, redis, _deadline, "townhall", "notifier");
        await town.AddAsync("townhall", _deadline, "second");
        var (key, id) = await town.MakeKeyAsync("ci", ["town.read"], _deadline);
        Assert.Equal(200, (await ReadAsync(town, key)).Status);
        Assert.Equal(200, (await ReadAsync(town, key, "second")).Status);
        using var stream = await OpenAsync(town, key);
        using var other = await OpenAsync(town, town.Admin);

        Assert.Equal(204, (await town.SendAsync(HttpMethod.Delete, $"/v1/keys/{id}", town.Admin, _deadline)).Status);
        var promise = Deadline.Of(Promise);

        await ToEndAsync(stream, promise);
        await Eventually.Is(401, async () => (await ReadAsync(town, key)).Status, promise);
        await Eventually.Is(401, async () => (await ReadAsync(town, key, "second")).Status, promise);
        await Eventually.Is(401, async () => (await town.SendAsync(HttpMethod.Get, "/events", key, _deadline, service: "notifier")).Status, promise);
        var reading = ToEndAsync(other, _deadline);
        Assert.False(reading.IsCompleted, "A stream of somebody else ended.");
    }

    [Fact]
    public async Task An_expired_key_ends_by_the_clock_of_the_database_and_so_does_its_stream()
    {
        await using var town = await KeyTown.StartAsync(postgres, redis, _deadline, "townhall", "notifier");
        var (key, id) = await town.MakeKeyAsync("ci", ["town.read"], _deadline, ""","expires_in_secs":60""");
        using var stream = await OpenAsync(town, key);

        await town.Database.ExecuteAsync(
            $"UPDATE api_key SET expires_at = now() + interval '1 second' WHERE id = '{id}'; UPDATE api_key_version SET version = version + 1", _deadline);

        await ToEndAsync(stream, Deadline.Of(Promise + TimeSpan.FromSeconds(1)));
        await Eventually.Is(401, async () => (await ReadAsync(town, key)).Status, Deadline.Of(Promise));
    }

    [Fact]
    public async Task Wrong_keys_of_one_source_are_one_entry_with_their_number()
    {
        await using var town = await KeyTown.StartAsync(postgres, redis, _deadline, "townhall");
        for (var i = 0; i < 200; i++)
        {
            Assert.Equal(401, (await ReadAsync(town, $"wrong-{i}")).Status);
        }

        await town.StopAsync("townhall", _deadline);

        var entry = Assert.Single(await town.EntriesAsync("AuthenticationRefused", _deadline));
        Assert.Equal(("anonymous", "127.0.0.1", 200), (entry.Actor, entry.Detail.GetProperty("source").GetString(), entry.Detail.GetProperty("count").GetInt64()));
    }

    [Fact]
    public async Task A_denial_names_who_and_what()
    {
        await using var town = await KeyTown.StartAsync(postgres, redis, _deadline, "townhall");
        var (key, _) = await town.MakeKeyAsync("reader", ["town.read"], _deadline);

        var (status, problem) = await town.SendAsync(HttpMethod.Post, "/v1/agents/scout/kill", key, _deadline);
        Assert.Equal((403, "insufficient scope: this needs agent.manage."), (status, problem.GetProperty("detail").GetString()));

        var denials = await Eventually.Is(() => town.EntriesAsync("AccessDenied", _deadline), static entries => entries.Count > 0, _deadline);
        Assert.Equal(
            ("key:reader", "POST /v1/agents/{agent}/kill", "agent.manage"),
            (denials.Single().Actor, denials[0].Detail.GetProperty("operation").GetString(), denials[0].Detail.GetProperty("scope").GetString()));
    }

    [Fact]
    public async Task While_the_database_is_away_no_key_is_taken_for_wrong()
    {
        await using var own = await PostgresServer.StartOwnAsync(_deadline);
        await using var database = await PostgresServer.CopyAsync(own, _deadline);
        await using var town = await KeyTown.OverAsync(database, redis, _deadline, "townhall");
        var (key, _) = await town.MakeKeyAsync("ci", ["town.read"], _deadline);
        Assert.Equal(200, (await ReadAsync(town, key)).Status);

        await own.StopFastAsync(_deadline);

        await Eventually.Is(503, async () => (await ReadAsync(town, key)).Status, _deadline);
        Assert.Equal(503, (await ReadAsync(town, Contracts.Keys.KeyFormat.Make().Key)).Status);
        Assert.Equal(401, (await ReadAsync(town, "nonsense")).Status);
    }

    private Task<(int Status, System.Text.Json.JsonElement Body)> ReadAsync(KeyTown town, string key, string service = "townhall") =>
        town.SendAsync(HttpMethod.Get, "/v1/agents", key, _deadline, service: service);

    private async Task<HttpResponseMessage> OpenAsync(KeyTown town, string key)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/events");
        request.Headers.Add("X-API-Key", key);
        var answer = await town["notifier"].Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, _deadline);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return answer;
    }

    private static async Task ToEndAsync(HttpResponseMessage answer, CancellationToken deadline)
    {
        using var lines = new StreamReader(await answer.Content.ReadAsStreamAsync(deadline), Encoding.UTF8);
        while (await lines.ReadLineAsync(deadline) is not null)
        {
            // Keep-alives and the entry of the revocation itself.
        }
    }
}
