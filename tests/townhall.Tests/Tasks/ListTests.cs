using System.Globalization;
using System.Text.RegularExpressions;
using Npgsql;
using Townhall.Api.Tasks;
using Townhall.Testing;

namespace Townhall.Api.Tests.Tasks;

/// <summary>Lists of tasks: every task once, whatever the page size and the filters, at a price that does not grow with the list.</summary>
public sealed partial class ListTests(PostgresServer postgres, RedisServer redis) : IClassFixture<PostgresServer>, IClassFixture<RedisServer>
{
    private static readonly TaskQuery s_all = new(null, null, null, null, null, null, null, null, NewestFirst: true);

    [Fact]
    public async Task Pages_show_every_task_once_in_order_and_filters_show_what_they_name()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        await api.SpawnAsync("ann", deadline);
        await api.SpawnAsync("bob", deadline);
        var ids = new List<string>();
        for (var i = 0; i < 12; i++)
        {
            ids.Add(await api.AssignAsync(i % 3 == 0 ? "bob" : "ann", $"task {i}", deadline, $$""","tags":["n{{i % 2}}"]"""));
        }

        await api.EndAsync("failed", deadline, $"id IN ('{ids[0]}', '{ids[5]}')", "exit_code");
        await api.EndAsync("completed", deadline, $"id = '{ids[7]}'");
        var retried = (await api.PostAsync($"/v1/tasks/{ids[5]}/retry", "", deadline)).Json.GetProperty("task_id").GetString()!;
        string[] all = [.. ids, retried];
        Assert.Equal(all, await WalkAsync(api, "/v1/tasks?order=oldest&limit=5", deadline));
        Assert.Equal(all.Reverse(), await WalkAsync(api, "/v1/tasks?limit=4", deadline));
        Assert.Equal([ids[5], ids[0]], await WalkAsync(api, "/v1/tasks?state=failed&limit=1", deadline));
        Assert.Equal([ids[7], ids[5], ids[0]], await WalkAsync(api, "/v1/tasks?state=failed,completed,dead&limit=2", deadline));
        Assert.Equal([ids[0], ids[3], ids[6], ids[9]], await WalkAsync(api, "/v1/tasks?agent=bob&order=oldest&limit=3", deadline));
        Assert.Equal([retried, ids[11]], (await WalkAsync(api, "/v1/tasks?tag=n1&state=assigned&limit=100", deadline)).Take(2));
        Assert.Equal([retried], await WalkAsync(api, $"/v1/tasks?retry_of={ids[5]}", deadline));
        Assert.Equal(all, await WalkAsync(api, "/v1/tasks?created_after=2026-01-01T00:00:00Z&order=oldest&limit=1000", deadline));
        Assert.Empty(await WalkAsync(api, "/v1/tasks?created_before=2026-01-01T00:00:00Z", deadline));
        Assert.Equal([ids[7], ids[5], ids[0]], await WalkAsync(api, "/v1/tasks?ended_after=2026-01-01T00:00:00Z", deadline));
        Assert.Empty(await WalkAsync(api, "/v1/tasks?ended_before=2026-01-01T00:00:00Z", deadline));

        var pending = (await api.GetAsync("/v1/tasks/pending", deadline)).Json;
        Assert.Equal(10, pending.GetProperty("count").GetInt32());
        Assert.Equal(("task 1", "ann"), (pending.GetProperty("tasks")[0].GetProperty("description").GetString(), pending.GetProperty("tasks")[0].GetProperty("agent_name").GetString()));
        Assert.Equal(all.Except([ids[0], ids[5], ids[7]]), await WalkAsync(api, "/v1/tasks/pending?limit=3", deadline));
    }

    [Theory]
    [InlineData("state=done", "bad_query")]
    [InlineData("state=", "bad_query")]
    [InlineData("state=failed&state=dead", "bad_query")]
    [InlineData("colour=red", "bad_query")]
    [InlineData("order=best", "bad_query")]
    [InlineData("created_after=yesterday", "bad_query")]
    [InlineData("retry_of=1", "bad_query")]
    [InlineData("limit=0", "bad_query")]
    [InlineData("limit=1001", "bad_query")]
    [InlineData("cursor=abc", "bad_cursor")]
    [InlineData("agent=nobody", "agent_not_found")]
    public async Task A_misspelled_filter_never_shows_everything(string query, string code)
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        var refused = await api.GetAsync($"/v1/tasks?{query}", deadline);
        Assert.Equal((code == "agent_not_found" ? 404 : 400, code), (refused.Status, refused.Code));
    }

    [Fact]
    public async Task A_cursor_of_one_list_is_refused_by_every_other()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        await api.SpawnAsync("ann", deadline);
        await api.SpawnAsync("bob", deadline);
        await api.AssignAsync("ann", "one", deadline);
        await api.AssignAsync("ann", "two", deadline);
        var cursor = (await api.GetAsync("/v1/tasks?limit=1", deadline)).Json.GetProperty("next_cursor").GetString();
        Assert.Equal(200, (await api.GetAsync($"/v1/tasks?limit=1&cursor={cursor}", deadline)).Status);
        foreach (var path in (string[])
            [$"/v1/tasks?state=assigned&cursor={cursor}", $"/v1/tasks?order=oldest&cursor={cursor}", $"/v1/tasks/pending?cursor={cursor}", $"/v1/backlog?cursor={cursor}",
             $"/v1/agents?cursor={cursor}", $"/v1/agents/ann/inbox?cursor={cursor}", $"/v1/tasks?cursor={cursor![..^1]}", $"/v1/tasks?cursor={(cursor[0] == 'A' ? 'B' : 'A')}{cursor[1..]}"])
        {
            var refused = await api.GetAsync(path, deadline);
            Assert.True((refused.Status, refused.Code) == (400, "bad_cursor"), $"{path}: {refused.Text}");
        }

        foreach (var name in (string[])["one", "two"])
        {
            await api.PostAsync("/v1/keys", $$"""{"name":"{{name}}","scopes":["town.read"]}""", deadline);
            await api.SendAsync(HttpMethod.Put, $"/v1/limits/{name}", """{"max_concurrency":1}""", deadline);
        }

        string[] lists = ["/v1/tasks", "/v1/agents", "/v1/agents/ann/inbox", "/v1/keys", "/v1/limits"];
        foreach (var list in lists)
        {
            var given = (await api.GetAsync($"{list}?limit=1", deadline)).Json.GetProperty("next_cursor").GetString();
            Assert.Equal(1, (await api.GetAsync($"{list}?limit=1&cursor={given}", deadline)).Json.GetProperty("count").GetInt32());
            foreach (var path in lists.Except([list]).Select(other => $"{other}?cursor={given}").Append($"{list}?cursor={given![1..]}").Append($"{list}?cursor=").Append($"{list}?cursor=AAAA"))
            {
                var refused = await api.GetAsync(path, deadline);
                Assert.True(refused.Status == 400 && (refused.Code == "bad_cursor" || path.EndsWith('=')), $"{path}: {refused.Text}");
            }
        }

        var inbox = (await api.GetAsync("/v1/agents/ann/inbox?limit=1", deadline)).Json.GetProperty("next_cursor").GetString();
        Assert.Equal(400, (await api.GetAsync($"/v1/agents/bob/inbox?cursor={inbox}", deadline)).Status);
    }

    [Fact]
    public async Task Older_words_for_states_and_ids_with_what_they_name_before_them_are_understood_and_never_answered()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        var ann = await api.SpawnAsync("ann", deadline);
        var task = await api.AssignAsync($"agent:{ann}", "one", deadline);
        await api.AssignAsync(ann.ToString("D").ToUpperInvariant(), "two", deadline);
        await api.Database.ExecuteAsync($"""
            UPDATE task SET state = 'running', attempt = 1, lease_token = gen_random_uuid(), lease_worker = gen_random_uuid(), lease_until = now() + interval '1 minute', leased_at = now()
            WHERE id = '{task}'
            """, deadline);
        foreach (var state in (string[])["in_flight", "running", "in_flight,running,failed"])
        {
            var page = (await api.GetAsync($"/v1/tasks?state={state}", deadline)).Json;
            Assert.Equal((1, "running"), (page.GetProperty("count").GetInt32(), page.GetProperty("tasks")[0].GetProperty("state").GetString()));
        }

        foreach (var path in (string[])
            [$"/v1/tasks/task:{task}", $"/v1/tasks/task:{task}/explain", $"/v1/tasks/task:{task}/steering", $"/v1/tasks/task:{task}/output", $"/v1/tasks?retry_of=task:{task}",
             $"/v1/agents/agent:{ann}", $"/v1/agents/agent:{ann}/inbox", $"/v1/tasks?agent=agent:{ann}", "/v1/agents/agent:00000000-0000-0000-0000-000000000001"])
        {
            Assert.True((await api.GetAsync(path, deadline)).Status == 200, path);
        }

        Assert.Equal(task, (await api.GetAsync($"/v1/tasks/task:{task}", deadline)).Json.GetProperty("task_id").GetString());
        Assert.Equal("bad_query", (await api.GetAsync($"/v1/tasks/agent:{task}", deadline)).Code);
        Assert.Equal("agent_not_found", (await api.GetAsync($"/v1/agents/task:{ann}", deadline)).Code);
        var draft = (await api.PostAsync("/v1/tasks/bulk", """{"action":"cancel","filter":{"state":["in_flight"]},"dry_run":true}""", deadline)).Json;
        Assert.Equal(1, draft.GetProperty("count").GetInt32());
        Assert.Equal(200, (await api.GetAsync($"/v1/tasks/bulk/bulk:{draft.GetProperty("bulk_id").GetString()}", deadline)).Status);
        Assert.Equal($"/v1/tasks/{task}", (await api.PostAsync($"/v1/tasks/task:{task}/cancel", "", deadline)).Location);
    }

    [Fact]
    public async Task No_page_of_a_long_list_reads_the_whole_table()
    {
        var deadline = Deadline.Of(TimeSpan.FromSeconds(90));
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var parts = new Parts(database);
        var ann = await parts.SpawnAsync("ann", deadline);
        // Ids by time, as the product makes them: 60,000 ended and 20,000 live tasks of the last days.
        await database.ExecuteAsync($"""
            INSERT INTO task_history (id, town, agent_id, state, priority, description, tags, max_attempts, attempt, failures, crashes, created_by, created_at)
            SELECT overlay(gen_random_uuid()::text PLACING left(uuid7_floor(now() - make_interval(secs => 80000 - n))::text, 13) FROM 1 FOR 13)::uuid,
                   '{database.Town}', '{ann}', CASE WHEN n % 100 = 0 THEN 'failed' ELSE 'completed' END, 0, 'work', '{"{}"}', 1, 1, 0, 0, 'test', now() - make_interval(secs => 80000 - n)
            FROM generate_series(1, 60000) AS n;
            INSERT INTO task (id, town, agent_id, state, description, max_attempts, created_by, created_at)
            SELECT overlay(gen_random_uuid()::text PLACING left(uuid7_floor(now() - make_interval(secs => 20000 - n))::text, 13) FROM 1 FOR 13)::uuid,
                   '{database.Town}', '{ann}', 'assigned', 'work', 1, 'test', now() - make_interval(secs => 20000 - n)
            FROM generate_series(1, 20000) AS n;
            ANALYZE
            """, deadline);
        var store = new TaskListStore(database.App, parts.Town);
        var seen = new HashSet<Guid>();
        Guid? after = null;
        do
        {
            var page = await store.PageAsync(s_all, after, 1000, deadline);
            Assert.All(page.Rows, row => Assert.True(seen.Add(row.TaskId)));
            after = page.Next;
        }
        while (after is not null);
        Assert.Equal(80_000, seen.Count);

        var middle = seen.Order().ElementAt(40_000);
        foreach (var query in (TaskQuery[])
            [s_all, s_all with { NewestFirst = false }, s_all with { States = ["failed"] }, s_all with { States = ["assigned"] }, s_all with { States = ["pending"] },
             s_all with { Agent = ann.Value }, s_all with { Tag = "rare" }, s_all with { States = ["completed"], Tag = "rare" }, s_all with { RetryOf = middle },
             s_all with { CreatedAfter = TimeProvider.System.GetUtcNow().UtcDateTime.AddHours(-2) }])
        {
            await using var connection = await database.App.OpenConnectionAsync(deadline);
            await using var command = store.Command(query, middle, 100, new NpgsqlCommand { Connection = connection });
            command.CommandText = "EXPLAIN (ANALYZE, TIMING off) " + command.CommandText;
            var plan = new List<string>();
            await using var row = await command.ExecuteReaderAsync(deadline);
            while (await row.ReadAsync(deadline))
            {
                plan.Add(row.GetString(0));
            }

            var text = string.Join('\n', plan);
            // Partitions of coming months are empty: reading one whole reads nothing.
            Assert.DoesNotMatch(@"Seq Scan on task(_history\w*)? .*actual rows=[1-9]", text);
            Assert.All(Rows().Matches(text).Select(static one => long.Parse(one.Groups[1].Value, CultureInfo.InvariantCulture)), static rows => Assert.InRange(rows, 0, 2 * TaskListStore.ScannedMost + 202));
        }

        // Whoever looks for what is rare gets short pages, and the end.
        var pages = 0;
        after = null;
        do
        {
            var page = await store.PageAsync(s_all with { Tag = "rare" }, after, 100, deadline);
            Assert.Empty(page.Rows);
            (after, pages) = (page.Next, pages + 1);
        }
        while (after is not null);
        Assert.InRange(pages, 2, 6);
    }

    private static async Task<List<string>> WalkAsync(Api api, string path, CancellationToken deadline)
    {
        var ids = new List<string>();
        string? cursor = null;
        do
        {
            var answer = await api.GetAsync(cursor is null ? path : $"{path}{(path.Contains('?', StringComparison.Ordinal) ? '&' : '?')}cursor={cursor}", deadline);
            Assert.True(answer.Status == 200, answer.Text);
            ids.AddRange(answer.Json.GetProperty("tasks").EnumerateArray().Select(static one => one.GetProperty("task_id").GetString()!));
            cursor = answer.Json.GetProperty("next_cursor").GetString();
        }
        while (cursor is not null);
        return ids;
    }

    [GeneratedRegex(@"actual rows=(\d+)")]
    private static partial Regex Rows();
}
