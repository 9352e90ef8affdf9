using System.Reflection;
using Townhall.ServiceDefaults.Problems;
using Townhall.Testing;

namespace Townhall.Api.Tests.Refusals;

/// <summary>A call that makes something and is refused makes nothing: no task, no agent, no entry, no kept key; in no table does a row change.</summary>
public sealed class NothingIsMadeTests(PostgresServer postgres, RedisServer redis) : IClassFixture<PostgresServer>, IClassFixture<RedisServer>
{
    private const string Assign = "/v1/tasks/assign";
    private const string Keys = "/v1/keys";
    private const string Nobody = "01890a5d-ac96-774b-bcce-b302099a8057";

    /// <summary>Refusals of reads and of calls that create nothing; the others are all met here.</summary>
    private static readonly string[] NotOfCreates =
    [
        "agent_move_refused", "agent_not_ended", "blob_not_found", "bad_cursor", "bulk_not_found", "limit_not_found", "unknown_path", "method_not_allowed",
        // Outages and full queues are no 4xx: OverloadTests and the fault matrix have them. Nor is what nobody foresaw.
        "database_unavailable", "deadline_exceeded", "overloaded", "internal_error",
        // Asks for 100,000 tasks, or 16 notes of 16 KiB, or bytes: BulkTests, SteeringTests and EntityTagTests count rows there.
        "bulk_too_large", "steering_full", "blob_hash_mismatch",
        // A low ceiling, and keys that are bound: CeilingTests and BoundKeyTests.
        "too_many_agents", "bound_to_agent",
        // Here everybody may speak as anybody: SenderTests.
        "sender_not_yours", "message_not_found", "message_is_task",
    ];

    [Fact]
    public async Task Every_refusal_of_a_creating_call_leaves_every_table_as_it_was()
    {
        var deadline = Deadline.Of(TimeSpan.FromSeconds(60));
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        foreach (var name in (string[])["known", "closed", "full", "twin-a", "twin-b"])
        {
            await api.SpawnAsync(name, deadline);
        }

        await api.Database.ExecuteAsync(
            "UPDATE agent SET control = 'stopped' WHERE name = 'closed'; UPDATE agent SET nickname = 'twin' WHERE name LIKE 'twin-%'", deadline);
        var ended = new Dictionary<string, string>();
        foreach (var state in (string[])["completed", "failed"])
        {
            ended[state] = await api.AssignAsync("known", state, deadline);
            await api.EndAsync(state, deadline);
        }

        Assert.Equal(201, (await api.PostAsync($"/v1/tasks/{ended["failed"]}/retry", "", deadline)).Status);
        var live = await api.AssignAsync("known", "live", deadline);
        Assert.Equal(201, (await api.PostAsync(Assign, """{"agent":"known","task":"keyed"}""", deadline, key: "used")).Status);
        await api.Database.ExecuteAsync($"""
            INSERT INTO message (id, town, to_agent, kind, urgent, from_name, body, created_by)
            SELECT gen_random_uuid(), '{api.Database.Town}', id, 'info', false, 'x', 'x', 'x' FROM agent, generate_series(1, 1000) WHERE name = 'full'
            """, deadline);
        Assert.Equal(201, (await api.PostAsync(Keys, """{"name":"ci","scopes":["town.read"]}""", deadline)).Status);
        var spent = (await api.PostAsync(Keys, """{"name":"spent","scopes":["town.read"]}""", deadline)).Json.GetProperty("key_id").GetString();
        Assert.Equal(204, (await api.SendAsync(HttpMethod.Delete, $"{Keys}/{spent}", null, deadline)).Status);

        (string Path, string Body, string? Key, int Status, string Code)[] calls =
        [
            (Assign, """{"agent":"known",""", null, 400, "bad_json"),
            (Assign, "", null, 400, "bad_request"),
            (Assign, """{"agent":"known","task":"x","task":"y"}""", null, 400, "bad_json"),
            (Assign, """{"agent":"known","task":"x","unheard":1}""", null, 400, "bad_json"),
            (Assign, """{"agent":"known","task":""}""", null, 422, "invalid_value"),
            (Assign, """{"agent":"known","task":"x","priority":1000}""", null, 422, "invalid_value"),
            (Assign, """{"agent":"known","task":"x","concurrency_key":"town"}""", null, 422, "invalid_value"),
            (Assign, """{"agent":"known","task":"x","deadline":"2001-01-01T00:00:00Z"}""", null, 422, "deadline_passed"),
            (Assign, """{"agent":"known","task":"x","deadline":"2001-01-01T00:00:00Z"}""", "late", 422, "deadline_passed"),
            (Assign, """{"agent":"nobody","task":"x"}""", null, 404, "agent_not_found"),
            (Assign, """{"agent":"nobody","task":"x"}""", "nobody", 404, "agent_not_found"),
            (Assign, """{"agent":"twin","task":"x"}""", null, 409, "agent_ambiguous"),
            (Assign, """{"agent":"closed","task":"x"}""", null, 409, "agent_not_accepting"),
            (Assign, """{"agent":"closed","task":"x"}""", "closed", 409, "agent_not_accepting"),
            (Assign, """{"agent":"known","task":"other"}""", "used", 422, "idempotency_key_reused"),
            (Assign, """{"agent":"known","task":"x"}""", "", 400, "bad_idempotency_key"),
            (Assign, $$"""{"agent":"known","task":"{{new string('x', 1100 * 1024)}}"}""", null, 413, "body_too_large"),
            ("/v1/tasks/assign-batch", """{"tasks":[]}""", null, 422, "invalid_value"),
            ("/v1/tasks/assign-batch", """{"tasks":[{"agent":"known","task":"x"}]}""", "used", 422, "idempotency_key_reused"),
            ("/v1/agents", """{"name":"known"}""", null, 409, "agent_name_taken"),
            ("/v1/agents", """{"name":"KNOWN"}""", "again", 409, "agent_name_taken"),
            ("/v1/agents", """{"name":"Supervisor"}""", null, 409, "agent_name_reserved"),
            ("/v1/agents", """{"name":"../up"}""", null, 422, "invalid_value"),
            ("/v1/agents", """{"name":"new","max_concurrency":0}""", null, 422, "invalid_value"),
            ("/v1/agents", """{"name":"new"}""", "used", 422, "idempotency_key_reused"),
            ("/v1/tasks/none/retry", "", null, 400, "bad_query"),
            ($"/v1/tasks/{Nobody}/retry", "", null, 404, "task_not_found"),
            ($"/v1/tasks/{live}/retry", "", null, 409, "task_not_ended"),
            ($"/v1/tasks/{ended["completed"]}/retry", "", null, 409, "task_completed"),
            ($"/v1/tasks/{ended["failed"]}/retry", "", null, 409, "already_retried"),
            ("/v1/tasks/bulk", """{"action":"cancel"}""", null, 422, "invalid_value"),
            ("/v1/tasks/bulk", """{"action":"cancel","dry_run":true,"filter":{"agent":"nobody"}}""", null, 404, "agent_not_found"),
            ("/v1/tasks/bulk", """{"confirm_token":"made up"}""", null, 409, "bulk_token_refused"),
            ($"/v1/tasks/{ended["failed"]}/steer", """{"text":"hurry"}""", null, 409, "task_ended"),
            ("/v1/backlog", """{"description":""}""", null, 422, "invalid_value"),
            ($"/v1/backlog/{live}/claim", """{"agent":"known"}""", null, 409, "task_not_in_backlog"),
            ($"/v1/backlog/{live}/claim", """{"agent":"supervisor"}""", null, 409, "agent_is_supervisor"),
            ("/v1/messages/send", """{"to":"full","message":"x","kind":"info"}""", null, 429, "inbox_full"),
            ("/v1/messages/send", """{"to":"full","message":"x"}""", "full", 429, "inbox_full"),
            (Keys, """{"name":"CI","scopes":["town.read"]}""", null, 409, "key_name_taken"),
            (Keys, """{"name":"new","scopes":["everything"]}""", null, 422, "invalid_value"),
            ($"{Keys}/0123456789abcdef/rotate", "", null, 404, "key_not_found"),
            ($"{Keys}/{spent}/rotate", "", null, 409, "key_ended"),
        ];
        var seen = new HashSet<string>();
        var before = await EverythingAsync(api, deadline);
        foreach (var (path, body, key, status, code) in calls)
        {
            var answer = await api.PostAsync(path, body, deadline, key);
            Assert.True((answer.Status, answer.Code) == (status, code), $"{path} {body[..Math.Min(100, body.Length)]} was answered {answer.Text}");
            await AssertNothingChangedAsync(api, before, code, deadline);
            seen.Add(code);
        }

        // A wrong content type and a foreign page are refused before anything is read; so is a host that nobody allowed.
        foreach (var (header, value, code) in ((string, string, string)[])
            [("Content-Type", "text/plain", "json_expected"), ("Origin", "http://evil.example", "origin_not_allowed"), ("Host", "rebound.example", "host_not_allowed")])
        {
            Assert.Equal(code, (await api.PostWithAsync(Assign, """{"agent":"known","task":"x"}""", header, value, deadline)).Code);
            await AssertNothingChangedAsync(api, before, code, deadline);
            seen.Add(code);
        }

        await api.Database.ExecuteAsync($"""
            INSERT INTO api_key (town, id, name, secret_sha256, scopes, created_by)
            SELECT '{api.Database.Town}', lpad(to_hex(n), 16, '0'), 'many-' || n, sha256(n::text::bytea), ARRAY['town.read'], 'x' FROM generate_series(1, 9999) n
            """, deadline);
        before = await EverythingAsync(api, deadline);
        var many = await api.PostAsync(Keys, """{"name":"new","scopes":["town.read"]}""", deadline);
        Assert.Equal((409, "too_many_keys"), (many.Status, many.Code));
        await AssertNothingChangedAsync(api, before, many.Code!, deadline);
        seen.Add(many.Code!);

        // A batch answers each row alone: the refused ones leave as little behind.
        var mixed = await api.PostAsync("/v1/tasks/assign-batch", """
            {"tasks":[{"agent":"nobody","task":"x"},{"agent":"closed","task":"x"},{"agent":"twin","task":"x"},{"agent":"known","task":""},null]}
            """, deadline);
        Assert.Equal((200, 0, 5), (mixed.Status, mixed.Json.GetProperty("accepted").GetInt32(), mixed.Json.GetProperty("refused").GetInt32()));
        await AssertNothingChangedAsync(api, before, "a batch of refused rows", deadline);

        var declared = Refusals().Select(static refusal => refusal.Code).Except(NotOfCreates, StringComparer.Ordinal);
        var unmet = string.Join(", ", declared.Except(seen, StringComparer.Ordinal));
        Assert.True(unmet.Length == 0, $"Give each of these a call in the list above, or name it among those of no creating call: {unmet}");
    }

    /// <summary>Everything that this service's sources can refuse with, by its classes of refusals.</summary>
    internal static IEnumerable<Refusal> Refusals()
    {
        foreach (var type in (Type[])[typeof(Problems), typeof(CommonRefusals)])
        {
            foreach (var field in type.GetFields(BindingFlags.Public | BindingFlags.Static).Where(static one => one.FieldType == typeof(Refusal)))
            {
                yield return (Refusal)field.GetValue(null)!;
            }

            foreach (var method in type.GetMethods(BindingFlags.Public | BindingFlags.Static).Where(static one => one.ReturnType == typeof(Refusal)))
            {
                object?[] arguments = [.. method.GetParameters().Select(static one => one.ParameterType == typeof(string) ? "x" : Activator.CreateInstance(one.ParameterType))];
                yield return (Refusal)method.Invoke(null, arguments)!;
            }
        }
    }

    private static async Task AssertNothingChangedAsync(Api api, string[] before, string after, CancellationToken deadline)
    {
        var changed = (await EverythingAsync(api, deadline)).Except(before, StringComparer.Ordinal);
        Assert.True(!changed.Any(), $"after {after} is otherwise: {string.Join(", ", changed)}");
    }

    /// <summary>The content of each table, as its name, count and hash. The totals for /metrics are no answer to a call: they follow the
    /// ledger in their own time, once a second.</summary>
    private static async Task<string[]> EverythingAsync(Api api, CancellationToken deadline)
    {
        var tables = await api.Database.ScalarAsync<string[]>("""
            SELECT array_agg(c.oid::regclass::text ORDER BY c.oid::regclass::text) FROM pg_class c
            WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace
              AND c.relname NOT IN ('metric_total', 'metric_cursor')
            """, deadline);
        Assert.InRange(tables!.Length, 12, 100);
        var sums = string.Join(", ", tables.Select(static table =>
            $"'{table} ' || (SELECT count(*) || ' ' || coalesce(md5(string_agg(r::text, '|' ORDER BY r::text)), '') FROM {table} r)"));
        return (await api.Database.ScalarAsync<string[]>($"SELECT ARRAY[{sums}]", deadline))!;
    }
}
