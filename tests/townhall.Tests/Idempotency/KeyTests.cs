using Townhall.Testing;

namespace Townhall.Api.Tests.Idempotency;

public sealed class KeyTests(PostgresServer postgres, RedisServer redis) : IClassFixture<PostgresServer>, IClassFixture<RedisServer>
{
    private const string Assign = "/v1/tasks/assign";

    [Fact]
    public async Task Many_calls_at_once_with_one_key_on_two_replicas_give_one_task_and_one_answer()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline, replicas: 2);
        await api.SpawnAsync("a", deadline);
        var answers = await Task.WhenAll(Enumerable.Range(0, 100).Select(i =>
            api.PostAsync(Assign, """{"agent":"a","task":"once"}""", deadline, key: "k-1", replica: i % 2)));
        Assert.All(answers, answer => Assert.Equal((201, answers[0].Text, answers[0].Location), (answer.Status, answer.Text, answer.Location)));
        Assert.Single(answers, static answer => !answer.Replayed);
        Assert.Equal($"/v1/tasks/{answers[0].Json.GetProperty("task_id").GetString()}", answers[0].Location);
        Assert.Equal(1, await api.CountAsync("task", deadline));
        Assert.Equal(1, await api.CountAsync("ledger_pending WHERE action = 'TaskAssigned'", deadline));
    }

    [Fact]
    public async Task Many_keys_at_once_on_two_replicas_give_one_task_each()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline, replicas: 2);
        await api.SpawnAsync("a", deadline);
        var answers = await Task.WhenAll(Enumerable.Range(0, 300).Select(i =>
            api.PostAsync(Assign, $$"""{"agent":"a","task":"{{i % 50}}"}""", deadline, key: $"k-{i % 50}", replica: i / 50 % 2)));
        Assert.All(answers, static answer => Assert.Equal(201, answer.Status));
        Assert.Equal(50, answers.Count(static answer => !answer.Replayed));
        Assert.Equal(50, answers.Select(static answer => answer.Text).Distinct().Count());
        Assert.Equal(50, await api.CountAsync("task", deadline));
    }

    [Fact]
    public async Task A_key_with_another_call_is_refused_and_changes_nothing()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        await api.SpawnAsync("a", deadline);
        Assert.Equal(201, (await api.PostAsync(Assign, """{"agent":"a","task":"one"}""", deadline, key: "k")).Status);
        foreach (var (path, body) in ((string, string)[])
            [(Assign, """{"agent":"a","task":"two"}"""), (Assign, """{"agent":"a", "task":"one"}"""), ("/v1/agents", """{"name":"b","cli":"sh"}""")])
        {
            var refused = await api.PostAsync(path, body, deadline, key: "k");
            Assert.Equal((422, "idempotency_key_reused"), (refused.Status, refused.Code));
        }

        Assert.Equal(1, await api.CountAsync("task", deadline));
        Assert.Equal(1, await api.CountAsync("agent", deadline));
        Assert.Equal(2, await api.CountAsync("ledger_pending", deadline));
    }

    [Fact]
    public async Task A_refused_call_leaves_its_key_unused()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        await api.SpawnAsync("a", deadline);
        await api.Database.ExecuteAsync("UPDATE agent SET control = 'stopped'", deadline);
        Assert.Equal(409, (await api.PostAsync(Assign, """{"agent":"a","task":"one"}""", deadline, key: "k")).Status);
        Assert.Equal(404, (await api.PostAsync(Assign, """{"agent":"nobody","task":"one"}""", deadline, key: "k")).Status);
        Assert.Equal(422, (await api.PostAsync(Assign, """{"agent":"a","task":""}""", deadline, key: "k")).Status);
        Assert.Equal(409, (await api.PostAsync("/v1/agents", """{"name":"A","cli":"sh"}""", deadline, key: "k")).Status);
        Assert.Equal(0, await api.CountAsync("idempotency", deadline));
        await api.Database.ExecuteAsync("UPDATE agent SET control = 'active'", deadline);
        Assert.Equal(201, (await api.PostAsync(Assign, """{"agent":"a","task":"one"}""", deadline, key: "k")).Status);
    }

    [Fact]
    public async Task A_repeat_gets_its_answer_after_a_crash_and_when_the_agent_has_gone()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        await api.SpawnAsync("a", deadline);
        var first = await api.PostAsync(Assign, """{"agent":"a","task":"one"}""", deadline, key: "k");
        await api.KillReplicaAsync(0, deadline);
        await api.Database.ExecuteAsync("DELETE FROM task; DELETE FROM agent", deadline);
        await api.AddReplicaAsync(deadline);
        Assert.Equal(first with { Replayed = true }, await api.PostAsync(Assign, """{"agent":"a","task":"one"}""", deadline, key: "k"));
        Assert.Equal(404, (await api.PostAsync(Assign, """{"agent":"a","task":"one"}""", deadline, key: "other")).Status);
    }

    [Fact]
    public async Task Spawning_with_one_key_gives_one_agent_and_one_answer()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline, replicas: 2);
        var answers = await Task.WhenAll(Enumerable.Range(0, 40).Select(i =>
            api.PostAsync("/v1/agents", """{"name":"a","cli":"sh"}""", deadline, key: "k", replica: i % 2)));
        Assert.All(answers, answer => Assert.Equal((201, answers[0].Text, answers[0].Location), (answer.Status, answer.Text, answer.Location)));
        Assert.Single(answers, static answer => !answer.Replayed);
        Assert.Equal(1, await api.CountAsync("ledger_pending WHERE action = 'AgentSpawned'", deadline));
        Assert.Equal("agent_name_taken", (await api.PostAsync("/v1/agents", """{"name":"a","cli":"sh"}""", deadline, key: "new")).Code);
    }

    [Fact]
    public async Task What_is_no_key_is_refused_and_endpoints_that_take_none_ignore_it()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        await api.SpawnAsync("a", deadline);
        foreach (var keys in (string[][])[[""], [new string('k', 256)], ["tab\tin it"]])
        {
            var refused = await api.PostAsync(Assign, """{"agent":"a","task":"one"}""", keys, deadline);
            Assert.Equal((400, "bad_idempotency_key"), (refused.Status, refused.Code));
        }

        var longest = new string('~', 255);
        Assert.Equal(201, (await api.PostAsync(Assign, """{"agent":"a","task":"one"}""", deadline, key: longest)).Status);
        Assert.True((await api.PostAsync(Assign, """{"agent":"a","task":"one"}""", deadline, key: longest)).Replayed);
        Assert.Equal(404, (await api.PostAsync($"/v1/tasks/{Guid.NewGuid()}/cancel", "", [""], deadline)).Status);
        Assert.Equal(1, await api.CountAsync("task", deadline));
    }

    [Fact]
    public async Task The_same_words_with_one_key_are_noted_once_however_often_they_are_said()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline, replicas: 2);
        await api.SpawnAsync("a", deadline);
        var task = await api.AssignAsync("a", "work", deadline);
        var path = $"/v1/tasks/{task}/steer";
        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => api.PostAsync(path, """{"text":"left"}""", deadline, key: "k", replica: i % 2)));
        Assert.All(answers, answer => Assert.Equal((202, answers[0].Text, $"/v1/tasks/{task}/steering"), (answer.Status, answer.Text, answer.Location)));
        Assert.Equal(19, answers.Count(static answer => answer.Replayed));
        Assert.Equal(
            [("steering_id", true), ("task_id", true), ("state", true), ("attempt", true), ("created_at", true)],
            answers[0].Json.EnumerateObject().Select(static member => (member.Name, true)));
        var other = await api.PostAsync(path, """{"text":"right"}""", deadline, key: "k");
        Assert.Equal((422, "idempotency_key_reused"), (other.Status, other.Code));
        Assert.Equal((1, 1), (await api.CountAsync("steering", deadline), await api.CountAsync("ledger_pending WHERE action = 'TaskSteered'", deadline)));

        await api.PostAsync($"/v1/tasks/{task}/cancel", "", deadline);
        // Its words are noted, whatever became of the task; what was refused leaves its key unused.
        Assert.True((await api.PostAsync(path, """{"text":"left"}""", deadline, key: "k")).Replayed);
        Assert.Equal("task_ended", (await api.PostAsync(path, """{"text":"left"}""", deadline, key: "late")).Code);
        Assert.Equal("task_not_found", (await api.PostAsync($"/v1/tasks/{Guid.NewGuid()}/steer", """{"text":"left"}""", deadline, key: "late")).Code);
    }

    [Fact]
    public async Task A_selection_with_one_key_is_frozen_once_and_a_repeated_confirmation_is_not_refused()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        await api.SpawnAsync("a", deadline);
        await api.AssignAsync("a", "work", deadline);
        const string Dry = """{"action":"cancel","dry_run":true}""";
        var drafts = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => api.PostAsync("/v1/tasks/bulk", Dry, deadline, key: "dry")));
        Assert.All(drafts, draft => Assert.Equal((200, drafts[0].Text), (draft.Status, draft.Text)));
        Assert.Equal(1, await api.CountAsync("bulk_selection", deadline));

        var confirmation = $$"""{"confirm_token":"{{drafts[0].Json.GetProperty("confirm_token").GetString()}}"}""";
        Assert.Equal("idempotency_key_reused", (await api.PostAsync("/v1/tasks/bulk", confirmation, deadline, key: "dry")).Code);
        var runs = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => api.PostAsync("/v1/tasks/bulk", confirmation, deadline, key: "run")));
        var place = $"/v1/tasks/bulk/{drafts[0].Json.GetProperty("bulk_id").GetString()}";
        Assert.All(runs, run => Assert.Equal((202, runs[0].Text, place), (run.Status, run.Text, run.Location)));
        Assert.Equal((1, "bulk_token_refused"), (
            await api.CountAsync("ledger_pending WHERE action = 'BulkStarted'", deadline), (await api.PostAsync("/v1/tasks/bulk", confirmation, deadline, key: "again")).Code));
    }
}
