using Townhall.Api.Explain;
using Townhall.Contracts.Agents;
using Townhall.Contracts.Ids;
using Townhall.Testing;

namespace Townhall.Api.Tests.Explain;

/// <summary>Each reason is brought about in the database and read back.</summary>
public sealed class ExplainTests(PostgresServer postgres) : IClassFixture<PostgresServer>
{
    [Theory]
    [InlineData("pause", "agent_paused")]
    [InlineData("kill", "agent_stopped")]
    public async Task What_was_decided_about_its_agent_comes_first(string on, string code)
    {
        await using var town = await TownAsync();
        await town.WorkerAsync();
        var task = await town.AssignAsync();
        await town.Parts.Control.MoveAsync(town.Agent, on == "pause" ? AgentEvent.Pause : AgentEvent.Kill, null, "test", town.Deadline);
        var told = await town.ExplainAsync(task);
        Assert.Equal((code, true), (Assert.Single(told.Reasons).Code, told.Waiting));
        Assert.Equal(await town.ScalarAsync<DateTime>("SELECT control_at FROM agent"), told.Reasons[0].Since);
    }

    [Fact]
    public async Task An_agent_that_is_closing_starts_nothing_more()
    {
        await using var town = await TownAsync();
        var worker = await town.WorkerAsync();
        await town.RunAsync(await town.AssignAsync(), worker);
        var task = await town.AssignAsync();
        await town.Parts.Control.MoveAsync(town.Agent, AgentEvent.Close, null, "test", town.Deadline);
        Assert.Equal(["agent_draining", "agent_busy"], Codes(await town.ExplainAsync(task)));
    }

    [Fact]
    public async Task An_agent_that_is_gone_is_said_to_be_missing()
    {
        await using var town = await TownAsync();
        await town.WorkerAsync();
        var task = await town.AssignAsync();
        await town.ExecuteAsync("DELETE FROM agent");
        Assert.Equal(["agent_missing"], Codes(await town.ExplainAsync(task)));
    }

    [Fact]
    public async Task A_delay_and_a_pause_after_a_failure_say_when_they_are_over()
    {
        await using var town = await TownAsync();
        await town.WorkerAsync();
        var task = await town.AssignAsync();
        await town.ExecuteAsync("UPDATE task SET due = false, available_at = now() + interval '1 hour'");
        var told = Assert.Single((await town.ExplainAsync(task)).Reasons);
        Assert.Equal(("delayed", await town.ScalarAsync<DateTime>("SELECT available_at FROM task")), (told.Code, told.At));

        await town.ExecuteAsync("UPDATE task SET attempt = 1, failures = 1, last_error = 'it said no'");
        told = Assert.Single((await town.ExplainAsync(task)).Reasons);
        Assert.Equal(("backing_off", true, true), (told.Code, told.At is not null, told.Detail.Contains("it said no", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_busy_agent_says_which_tasks_keep_it_busy()
    {
        await using var town = await TownAsync();
        var worker = await town.WorkerAsync();
        var first = await town.AssignAsync();
        await town.RunAsync(first, worker);
        var told = Assert.Single((await town.ExplainAsync(await town.AssignAsync())).Reasons);
        Assert.Equal(("agent_busy", first.Value), (told.Code, Assert.Single(told.Tasks!)));
        Assert.Equal(await town.ScalarAsync<DateTime>("SELECT leased_at FROM task WHERE state = 'running'"), told.Since);
    }

    [Fact]
    public async Task A_concurrency_key_says_who_holds_it_whether_parked_or_not_yet()
    {
        await using var town = await TownAsync();
        var worker = await town.WorkerAsync();
        var holder = await town.AssignAsync("a", key: "api");
        await town.RunAsync(holder, worker);
        await town.ExecuteAsync("UPDATE limit_key SET held = 1; UPDATE agent SET max_concurrency = 5");
        var task = await town.AssignAsync("b", key: "api");
        foreach (var parked in (string[])["due = true, parked = NULL", "due = false, parked = 'concurrency', parked_at = now()"])
        {
            await town.ExecuteAsync($"UPDATE task SET {parked} WHERE id = '{task}'");
            var told = Assert.Single((await town.ExplainAsync(task)).Reasons);
            Assert.Equal(("concurrency_key", holder.Value), (told.Code, Assert.Single(told.Tasks!)));
        }
    }

    [Fact]
    public async Task A_rate_key_says_when_the_next_start_is_allowed()
    {
        await using var town = await TownAsync();
        await town.WorkerAsync();
        var task = await town.AssignAsync("a", rateKey: "llm");
        await town.Parts.Limits.SetAsync("llm", new(RatePerMinute: 2), "test", town.Deadline);
        Assert.Equal(["startable"], Codes(await town.ExplainAsync(task)));
        await town.ExecuteAsync("UPDATE limit_key SET tokens = 0, refilled_at = now(); UPDATE task SET due = false, parked = 'rate', parked_at = now()");
        var told = await town.ExplainAsync(task);
        Assert.Equal(["rate_key"], Codes(told));
        var wait = told.Reasons[0].At - await town.ScalarAsync<DateTime>("SELECT refilled_at FROM limit_key");
        Assert.InRange(wait!.Value, TimeSpan.FromSeconds(29), TimeSpan.FromSeconds(31));
    }

    [Fact]
    public async Task The_limit_of_the_whole_town_is_told()
    {
        await using var town = await TownAsync();
        var worker = await town.WorkerAsync();
        await town.RunAsync(await town.AssignAsync(), worker);
        await town.ExecuteAsync("UPDATE agent SET max_concurrency = 5");
        await town.Parts.Limits.SetAsync("town", new(MaxConcurrency: 1), "test", town.Deadline);
        var told = Assert.Single((await town.ExplainAsync(await town.AssignAsync())).Reasons);
        Assert.Equal(("town_limit", await town.ScalarAsync<DateTime>("SELECT leased_at FROM task WHERE state = 'running'")), (told.Code, told.Since));
    }

    [Fact]
    public async Task The_tasks_ahead_are_counted_by_their_order()
    {
        await using var town = await TownAsync();
        await town.WorkerAsync();
        TaskId[] tasks = [await town.AssignAsync(), await town.AssignAsync(), await town.AssignAsync()];
        for (var i = 0; i < tasks.Length; i++)
        {
            await town.ExecuteAsync($"UPDATE task SET rank = {10 - i} WHERE id = '{tasks[i]}'");
        }

        for (var i = 0; i < tasks.Length; i++)
        {
            var told = await town.ExplainAsync(tasks[i]);
            Assert.Equal((2 - i, i == 2 ? "startable" : "behind_others"), (told.Position, Assert.Single(told.Reasons).Code));
        }
    }

    [Fact]
    public async Task Without_a_dispatcher_nothing_is_said_to_be_about_to_start()
    {
        await using var town = await TownAsync();
        await town.WorkerAsync();
        var task = await town.AssignAsync();
        await town.ExecuteAsync("UPDATE leader SET until = now() - interval '1 minute'");
        var told = Assert.Single((await town.ExplainAsync(task)).Reasons);
        Assert.Equal(("no_dispatcher", await town.ScalarAsync<DateTime>("SELECT until FROM leader")), (told.Code, told.Since));
        await town.ExecuteAsync("DELETE FROM leader");
        Assert.Equal(["no_dispatcher"], Codes(await town.ExplainAsync(task)));
    }

    [Fact]
    public async Task What_ran_out_since_the_last_look_is_told_as_that()
    {
        await using var town = await TownAsync();
        var worker = await town.WorkerAsync();
        var late = await town.AssignAsync();
        await town.ExecuteAsync("UPDATE task SET deadline = now() - interval '100 ms'");
        Assert.Equal(["deadline_passed"], Codes(await town.ExplainAsync(late)));
        await town.Parts.Tasks.CancelAsync(late, "test", town.Deadline);

        var silent = await town.AssignAsync();
        await town.RunAsync(silent, worker);
        await town.ExecuteAsync("UPDATE task SET lease_until = now() - interval '100 ms'");
        var told = await town.ExplainAsync(silent);
        Assert.Equal(("lease_ran_out", false), (Assert.Single(told.Reasons).Code, told.Waiting));
    }

    [Fact]
    public async Task Without_a_worker_it_says_so_and_how_many_the_scaler_may_start()
    {
        await using var town = await TownAsync();
        var told = Assert.Single((await town.ExplainAsync(await town.AssignAsync())).Reasons);
        Assert.Equal(("no_worker", true), (told.Code, told.ChangesWhen!.Contains("up to 2", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("active", "noop", 4, "no_worker_for_runtime")]
    [InlineData("draining", "command", 4, "workers_draining")]
    [InlineData("active", "command", 1, "workers_busy")]
    [InlineData("active", "command", 2, "startable")]
    public async Task What_the_workers_are_like_is_told(string state, string runtime, int slots, string code)
    {
        await using var town = await TownAsync();
        var worker = await town.WorkerAsync(state, runtime, slots);
        await town.RunAsync(await town.AssignAsync(), worker);
        await town.ExecuteAsync("UPDATE agent SET max_concurrency = 5");
        Assert.Equal([code], Codes(await town.ExplainAsync(await town.AssignAsync())));
    }

    [Fact]
    public async Task A_worker_that_died_in_silence_is_not_taken_for_a_free_one()
    {
        await using var town = await TownAsync();
        await town.WorkerAsync();
        var task = await town.AssignAsync();
        await town.ExecuteAsync("UPDATE worker SET seen_at = now() - interval '25 s'");
        Assert.Equal(["startable"], Codes(await town.ExplainAsync(task)));
        await town.ExecuteAsync("UPDATE worker SET seen_at = now() - interval '35 s'");
        var told = Assert.Single((await town.ExplainAsync(task)).Reasons);
        Assert.Equal(("workers_silent", await town.ScalarAsync<DateTime>("SELECT seen_at FROM worker")), (told.Code, told.Since));
        await town.WorkerAsync();
        Assert.Equal(["startable"], Codes(await town.ExplainAsync(task)));
    }

    [Fact]
    public async Task A_ledger_that_was_stopped_is_the_first_reason()
    {
        await using var town = await TownAsync();
        await town.WorkerAsync();
        var task = await town.AssignAsync();
        await town.ExecuteAsync("INSERT INTO ledger_alarm (town, seq, hash, reason) SELECT town, 1, decode(repeat('00', 32), 'hex'), 'cut' FROM agent; UPDATE leader SET until = now() - interval '1 hour'");
        Assert.Equal(["ledger_stopped"], Codes(await town.ExplainAsync(task)));
    }

    [Fact]
    public async Task What_runs_has_ended_or_has_no_agent_does_not_wait_for_a_turn()
    {
        await using var town = await TownAsync();
        var worker = await town.WorkerAsync();
        var task = await town.AssignAsync();
        await town.RunAsync(task, worker);
        var told = await town.ExplainAsync(task);
        Assert.Equal(("running", false), (Assert.Single(told.Reasons).Code, told.Waiting));
        await town.Parts.Control.MoveAsync(town.Agent, AgentEvent.Pause, true, "test", town.Deadline);
        Assert.Contains("stands still", (await town.ExplainAsync(task)).Reasons[0].Detail, StringComparison.Ordinal);

        var backlog = await town.AssignAsync();
        await town.ExecuteAsync($"UPDATE task SET state = 'pending', agent_id = NULL WHERE id = '{backlog}'");
        told = await town.ExplainAsync(backlog);
        Assert.Equal(("backlog", true), (Assert.Single(told.Reasons).Code, told.Waiting));
        Assert.Contains("for generalists", told.Reasons[0].Detail, StringComparison.Ordinal);
        await town.ExecuteAsync($"UPDATE task SET tags = ARRAY['role:Reviewer'], available_at = now() + interval '1 hour' WHERE id = '{backlog}'");
        told = await town.ExplainAsync(backlog);
        Assert.Equal(["delayed", "backlog"], told.Reasons.Select(static reason => reason.Code));
        Assert.Equal("It is in the backlog for agents with the role reviewer, and none of them is active.", told.Reasons[1].Detail);
        await town.Parts.Tasks.CancelAsync(backlog, "test", town.Deadline);
        told = await town.ExplainAsync(backlog);
        Assert.Equal(("ended", false, "cancelled"), (Assert.Single(told.Reasons).Code, told.Waiting, told.State));
        Assert.Null(await town.Parts.Explain.ReadAsync(TaskId.New(), town.Deadline));
    }

    private static string[] Codes(ExplanationView told) => [.. told.Reasons.Select(static reason => reason.Code)];

    private async Task<Situation> TownAsync()
    {
        var deadline = Testing.Deadline.Usual();
        var database = await postgres.CreateDatabaseAsync(deadline);
        var parts = new Parts(database);
        await database.ExecuteAsync($"INSERT INTO leader (town, duty, holder, epoch, until) VALUES ('{database.Town}', 'dispatch', gen_random_uuid(), 1, now() + interval '1 hour')", deadline);
        return new(database, parts, await parts.SpawnAsync("ann", deadline), deadline);
    }

    private sealed class Situation(TestDatabase database, Parts parts, AgentId agent, CancellationToken deadline) : IAsyncDisposable
    {
        public Parts Parts => parts;

        public AgentId Agent => agent;

        public CancellationToken Deadline => deadline;

        public async Task<ExplanationView> ExplainAsync(TaskId task) =>
            Explanations.Of(task.Value, (await parts.Explain.ReadAsync(task, deadline))!, workersMost: 2);

        public async Task<TaskId> AssignAsync(string text = "work", string? key = null, string? rateKey = null)
        {
            var task = Parts.Task(agent, text) with { ConcurrencyKey = key, RateKey = rateKey };
            await parts.Tasks.AcceptAsync([task], deadline);
            return task.Id;
        }

        public async Task<Guid> WorkerAsync(string state = "active", string runtime = "command", int slots = 4)
        {
            var worker = Guid.CreateVersion7();
            await ExecuteAsync($"""
                INSERT INTO worker (id, town, name, host, pid, version, runtimes, slots, sandbox, state, token_hash)
                VALUES ('{worker}', '{database.Town}', 'w', 'here', 1, '1', ARRAY['{runtime}'], {slots}, 'none', '{state}', decode(repeat('00', 32), 'hex'))
                """);
            return worker;
        }

        public Task RunAsync(TaskId task, Guid worker) => ExecuteAsync($"""
            UPDATE task SET state = 'running', attempt = 1, lease_token = gen_random_uuid(), lease_worker = '{worker}', leased_at = now(),
                lease_until = now() + interval '1 minute' WHERE id = '{task}';
            UPDATE agent SET running = running + 1
            """);

        public Task ExecuteAsync(string sql) => database.ExecuteAsync(sql, deadline);

        public Task<T?> ScalarAsync<T>(string sql) => database.ScalarAsync<T>(sql, deadline);

        public ValueTask DisposeAsync() => database.DisposeAsync();
    }
}
