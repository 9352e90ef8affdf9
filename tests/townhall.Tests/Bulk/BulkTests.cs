using System.Text.Json;
using Townhall.Testing;

namespace Townhall.Api.Tests.Bulk;

public sealed class BulkTests(PostgresServer postgres, RedisServer redis) : IClassFixture<PostgresServer>, IClassFixture<RedisServer>
{
    private const string Path = "/v1/tasks/bulk";

    [Fact]
    public async Task A_dry_run_changes_nothing_and_its_token_runs_exactly_what_it_froze_once()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        await api.SpawnAsync("a", deadline);
        await api.SpawnAsync("b", deadline);
        var first = await FillAsync(api, "a", 30, deadline);
        await FillAsync(api, "b", 5, deadline);
        var entries = await api.CountAsync("ledger_pending", deadline);

        var draft = await api.PostAsync(Path, """{"action":"cancel","filter":{"agent":"a","tag":"t"},"dry_run":true}""", deadline);
        Assert.Equal(200, draft.Status);
        Assert.Equal(30, draft.Json.GetProperty("count").GetInt32());
        Assert.Equal(first.Take(10), draft.Json.GetProperty("sample").EnumerateArray().Select(static task => task.GetProperty("task_id").GetString()));
        Assert.Equal(35, await api.CountAsync("task", deadline));
        Assert.Equal(entries, await api.CountAsync("ledger_pending", deadline));

        // What comes later was not looked at; what changed meanwhile is not forced.
        await FillAsync(api, "a", 4, deadline);
        await api.EndAsync("completed", deadline, $"id = '{first[0]}'");
        await api.Database.ExecuteAsync($"""
            UPDATE task SET state = 'running', attempt = 1, lease_token = gen_random_uuid(), lease_worker = gen_random_uuid(), lease_until = now() WHERE id = '{first[1]}';
            """, deadline);
        var token = draft.Json.GetProperty("confirm_token").GetString();
        var confirmed = await api.PostAsync(Path, $$"""{"confirm_token":"{{token}}"}""", deadline);
        Assert.Equal(202, confirmed.Status);
        var end = await FinishedAsync(api, confirmed.Location!, deadline);
        Assert.Equal((30, 28, 2, 0), Counts(end));
        Assert.Equal("""{"task_ended":1,"state_changed":1}""".Length, end.GetProperty("reasons").GetRawText().Length);
        Assert.Equal(28, await api.CountAsync("task_history WHERE state = 'cancelled'", deadline));
        Assert.Equal(28, await api.CountAsync("ledger_pending WHERE action = 'TaskCancelled'", deadline));
        Assert.Equal(1, await api.CountAsync("ledger_pending WHERE action = 'BulkStarted'", deadline));
        Assert.Equal(1, await api.CountAsync("ledger_pending WHERE action = 'BulkFinished'", deadline));
        Assert.Equal(0, await api.CountAsync("task WHERE cancel_requested_at IS NOT NULL", deadline));

        var again = await api.PostAsync(Path, $$"""{"confirm_token":"{{token}}"}""", deadline);
        Assert.Equal((409, "bulk_token_refused"), (again.Status, again.Code));
    }

    [Fact]
    public async Task Dead_tasks_are_redriven_in_their_order_and_those_retried_already_are_skipped()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        await api.SpawnAsync("a", deadline);
        var dead = await FillAsync(api, "a", 1200, deadline);
        await api.EndAsync("dead", deadline, failureCode: "workers_lost");
        var failed = await api.AssignAsync("a", "failed", deadline);
        await api.EndAsync("failed", deadline, $"id = '{failed}'", "exit_code");
        Assert.Equal(201, (await api.PostAsync($"/v1/tasks/{dead[7]}/retry", "", deadline)).Status);

        var end = await RunAsync(api, """{"action":"retry","filter":{"state":["dead","failed"],"failure_code":"workers_lost","created_after":"2020-01-01T00:00:00Z"},"dry_run":true}""", deadline);
        Assert.Equal((1200, 1199, 1, 0), Counts(end));
        Assert.Equal(1, end.GetProperty("reasons").GetProperty("already_retried").GetInt32());
        Assert.Equal(1200, await api.CountAsync("task WHERE retry_of IS NOT NULL", deadline));
        Assert.Equal(0, await api.CountAsync($$"""
            (SELECT description::int - lag(description::int) OVER (ORDER BY rank, id) AS step FROM task WHERE retry_of <> '{{dead[7]}}') t WHERE step < 0
            """, deadline));
        await api.CountersHoldAsync(deadline);
    }

    [Fact]
    public async Task Waiting_tasks_are_given_to_another_agent_and_running_ones_are_not()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        await api.SpawnAsync("a", deadline);
        var b = await api.SpawnAsync("b", deadline);
        var tasks = await FillAsync(api, "a", 6, deadline);
        var draft = await api.PostAsync(Path, """{"action":"reassign","filter":{"agent":"a"},"to":"b","dry_run":true}""", deadline);
        await api.Database.ExecuteAsync($"""
            UPDATE task SET state = 'running', attempt = 1, lease_token = gen_random_uuid(), lease_worker = gen_random_uuid(), lease_until = now() WHERE id = '{tasks[0]}';
            """, deadline);
        var end = await ConfirmAsync(api, draft, deadline);
        Assert.Equal((6, 5, 1, 0), Counts(end));
        Assert.Equal(5, await api.CountAsync($"task WHERE agent_id = '{b}' AND state = 'assigned'", deadline));
        Assert.Equal(5, await api.CountAsync("ledger_pending WHERE action = 'TaskReassigned' AND agent_name = 'b'", deadline));

        await api.Database.ExecuteAsync("UPDATE agent SET control = 'stopped' WHERE name = 'a'", deadline);
        var refused = await RunAsync(api, """{"action":"reassign","filter":{"agent":"b"},"to":"a","dry_run":true}""", deadline);
        Assert.Equal((5, 0, 0, 5), Counts(refused));
        Assert.Equal(5, refused.GetProperty("reasons").GetProperty("agent_not_accepting").GetInt32());
    }

    [Fact]
    public async Task A_selection_whose_process_was_killed_is_finished_by_another_and_nothing_is_done_twice()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline, replicas: 2);
        await api.SpawnAsync("a", deadline);
        await FillAsync(api, "a", 20_000, deadline);
        await api.EndAsync("failed", deadline);
        var draft = await api.PostAsync(Path, """{"action":"retry","dry_run":true}""", deadline);
        Assert.Equal(20_000, draft.Json.GetProperty("count").GetInt32());
        var confirmed = await api.PostAsync(Path, $$"""{"confirm_token":"{{draft.Json.GetProperty("confirm_token").GetString()}}"}""", deadline);
        await Eventually.Is(() => api.CountAsync("bulk_selection WHERE position BETWEEN 1 AND total - 1", deadline), static begun => begun == 1, deadline);
        await api.KillReplicaAsync(0, deadline);
        Assert.Equal((20_000, 20_000, 0, 0), Counts(await FinishedAsync(api, confirmed.Location!, deadline)));
        Assert.Equal(20_000, await api.CountAsync("(SELECT DISTINCT retry_of FROM task WHERE retry_of IS NOT NULL) t", deadline));
        Assert.Equal(20_000, await api.CountAsync("task", deadline));
        Assert.Equal(20_000, await api.CountAsync("ledger_pending WHERE action = 'TaskRetried'", deadline));
        Assert.Equal(1, await api.CountAsync("ledger_pending WHERE action = 'BulkFinished'", deadline));
    }

    [Fact]
    public async Task A_task_that_fails_every_batch_is_given_up_and_the_others_are_done()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        await api.SpawnAsync("a", deadline);
        var tasks = await FillAsync(api, "a", 30, deadline);
        await api.EndAsync("failed", deadline);
        await FailRetriesAsync(api, $"NEW.retry_of = '{tasks[11]}'", deadline);
        var end = await SteppedAsync(api, deadline);
        Assert.Equal((30, 29, 0, 1), Counts(end));
        Assert.Equal(1, end.GetProperty("reasons").GetProperty("internal_error").GetInt32());
        Assert.Equal(29, await api.CountAsync("task WHERE retry_of IS NOT NULL", deadline));
        await api.CountersHoldAsync(deadline);
    }

    [Fact]
    public async Task A_selection_of_which_nothing_can_be_done_ends_and_says_so()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        await api.SpawnAsync("a", deadline);
        await FillAsync(api, "a", 600, deadline);
        await api.EndAsync("failed", deadline);
        await FailRetriesAsync(api, "NEW.retry_of IS NOT NULL", deadline);
        var end = await SteppedAsync(api, deadline);
        Assert.Equal((600, 0, 0, 600), Counts(end));
        Assert.Equal(600, end.GetProperty("reasons").GetProperty("internal_error").GetInt32());
        Assert.Equal(0, await api.CountAsync("task", deadline));
        Assert.Equal(1, await api.CountAsync("ledger_pending WHERE action = 'BulkFinished'", deadline));
    }

    [Fact]
    public async Task Tokens_expire_and_old_selections_are_forgotten()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        await api.SpawnAsync("a", deadline);
        await FillAsync(api, "a", 3, deadline);
        var draft = await api.PostAsync(Path, """{"action":"cancel","dry_run":true}""", deadline);
        await api.Database.ExecuteAsync("UPDATE bulk_selection SET expires_at = now() - interval '1 second'", deadline);
        var late = await api.PostAsync(Path, $$"""{"confirm_token":"{{draft.Json.GetProperty("confirm_token").GetString()}}"}""", deadline);
        Assert.Equal((409, "bulk_token_refused"), (late.Status, late.Code));
        Assert.Equal(3, await api.CountAsync("task", deadline));
        var parts = new Parts(api.Database);
        Assert.Equal(1, await parts.Bulk.PruneAsync(10, deadline));
        Assert.Equal(0, await api.CountAsync("bulk_item", deadline));
        Assert.Equal(404, (await api.GetAsync($"{Path}/{draft.Json.GetProperty("bulk_id").GetString()}", deadline)).Status);
    }

    [Theory]
    [InlineData("""{"action":"delete","dry_run":true}""", 422)]
    [InlineData("""{"action":"cancel"}""", 422)]
    [InlineData("""{"action":"cancel","filter":{"state":["failed"]},"dry_run":true}""", 422)]
    [InlineData("""{"action":"cancel","filter":{"state":[]},"dry_run":true}""", 422)]
    [InlineData("""{"action":"cancel","filter":{"failure_code":"x"},"dry_run":true}""", 422)]
    [InlineData("""{"action":"cancel","to":"a","dry_run":true}""", 422)]
    [InlineData("""{"action":"reassign","dry_run":true}""", 422)]
    [InlineData("""{"action":"reassign","to":"nobody","dry_run":true}""", 404)]
    [InlineData("""{"action":"retry","filter":{"agent":"nobody"},"dry_run":true}""", 404)]
    [InlineData("""{"action":"cancel","dry_run":true,"confirm_token":"x"}""", 422)]
    [InlineData("""{"confirm_token":"x"}""", 409)]
    [InlineData("""{"action":"cancel","filter":{"unheard":1},"dry_run":true}""", 400)]
    public async Task What_is_no_selection_is_refused_and_keeps_nothing(string body, int status)
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        await api.SpawnAsync("a", deadline);
        Assert.Equal(status, (await api.PostAsync(Path, body, deadline)).Status);
        Assert.Equal(0, await api.CountAsync("bulk_selection", deadline));
        Assert.Equal(1, await api.CountAsync("ledger_pending", deadline));
    }

    [Fact]
    public async Task More_than_a_hundred_thousand_tasks_are_refused_and_as_many_are_frozen()
    {
        var deadline = Deadline.Of(TimeSpan.FromSeconds(90));
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        var agent = await api.SpawnAsync("a", deadline);
        await api.Database.ExecuteAsync($"""
            INSERT INTO task (id, town, agent_id, state, description, max_attempts, created_by)
            SELECT gen_random_uuid(), '{api.Database.Town}', '{agent}', 'assigned', 'x', 1, 'test' FROM generate_series(1, 100001)
            """, deadline);
        var refused = await api.PostAsync(Path, """{"action":"cancel","dry_run":true}""", deadline);
        Assert.Equal((422, "bulk_too_large"), (refused.Status, refused.Code));
        Assert.Equal(0, await api.CountAsync("bulk_item", deadline));
        await api.Database.ExecuteAsync("DELETE FROM task WHERE id = (SELECT id FROM task LIMIT 1)", deadline);
        Assert.Equal(100_000, (await api.PostAsync(Path, """{"action":"cancel","dry_run":true}""", deadline)).Json.GetProperty("count").GetInt32());
        Assert.Equal(100_000, await api.CountAsync("bulk_item", deadline));
    }

    private static Task FailRetriesAsync(Api api, string when, CancellationToken deadline) => api.Database.ExecuteAsync($"""
        CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'injected'; END $$;
        CREATE TRIGGER fail BEFORE UPDATE ON task FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION fail();
        """, deadline);

    /// <summary>Retries everything that failed, without the pauses between the tries of one batch.</summary>
    private static async Task<JsonElement> SteppedAsync(Api api, CancellationToken deadline)
    {
        var draft = await api.PostAsync(Path, """{"action":"retry","dry_run":true}""", deadline);
        var confirmed = await api.PostAsync(Path, $$"""{"confirm_token":"{{draft.Json.GetProperty("confirm_token").GetString()}}"}""", deadline);
        var parts = new Parts(api.Database);
        while (await api.CountAsync("bulk_selection WHERE state = 'running'", deadline) > 0)
        {
            await api.Database.ExecuteAsync("UPDATE bulk_selection SET again_at = now()", deadline);
            await parts.Bulk.StepAsync(deadline);
        }

        return (await api.GetAsync(confirmed.Location!, deadline)).Json;
    }

    /// <summary>Tasks with tag <c>t</c> whose texts are their numbers.</summary>
    private static async Task<string[]> FillAsync(Api api, string agent, int count, CancellationToken deadline)
    {
        var ids = new List<string>();
        foreach (var chunk in Enumerable.Range(0, count).Chunk(500))
        {
            var body = JsonSerializer.Serialize(new { tasks = chunk.Select(i => new { agent, task = $"{i}", tags = new[] { "t" } }) });
            var answer = await api.PostAsync("/v1/tasks/assign-batch", body, deadline);
            ids.AddRange(answer.Json.GetProperty("tasks").EnumerateArray().Select(static row => row.GetProperty("task_id").GetString()!));
        }

        return [.. ids];
    }

    private static async Task<JsonElement> RunAsync(Api api, string body, CancellationToken deadline) =>
        await ConfirmAsync(api, await api.PostAsync(Path, body, deadline), deadline);

    private static async Task<JsonElement> ConfirmAsync(Api api, Answer draft, CancellationToken deadline)
    {
        Assert.Equal(200, draft.Status);
        var confirmed = await api.PostAsync(Path, $$"""{"confirm_token":"{{draft.Json.GetProperty("confirm_token").GetString()}}"}""", deadline);
        Assert.Equal(202, confirmed.Status);
        return await FinishedAsync(api, confirmed.Location!, deadline);
    }

    private static async Task<JsonElement> FinishedAsync(Api api, string location, CancellationToken deadline) => (await Eventually.Is(
        () => api.GetAsync(location, deadline), static answer => answer.Json.GetProperty("state").GetString() == "finished", deadline)).Json;

    private static (int Total, int Done, int Skipped, int Failed) Counts(JsonElement bulk) => (
        bulk.GetProperty("total").GetInt32(), bulk.GetProperty("done").GetInt32(), bulk.GetProperty("skipped").GetInt32(),
        bulk.GetProperty("failed").GetInt32());
}
