using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Townhall.Api.Agents;
using Townhall.Api.Recovery;
using Townhall.Contracts.Agents;
using Townhall.Contracts.Ids;
using Townhall.ServiceDefaults.Problems;
using Townhall.Testing;

namespace Townhall.Api.Tests.Recovery;

public sealed class RecoveryTests(PostgresServer postgres) : IClassFixture<PostgresServer>
{
    [Fact]
    public async Task Recovering_ends_the_leases_of_workers_that_are_gone_and_no_others()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var parts = new Parts(database);
        var worker = new Dictionary<string, Guid>();
        foreach (var state in (string[])["active", "draining", "lost"])
        {
            var agent = await parts.SpawnAsync(state, deadline);
            var task = await AssignAsync(parts, agent, deadline);
            worker[state] = await RunAsync(database, task, state, deadline);
        }

        const string live = "SELECT count(*) FROM task WHERE lease_until > now()";
        var preview = (await RecoveryEndpoints.Recover(Parts.Somebody, parts.Recovery, deadline, dryRun: true)).Value!;
        Assert.Equal((3, 1, true, "lost"), (preview.Checked, preview.Recovered, preview.DryRun, Assert.Single(preview.Agents)));
        Assert.Equal(3L, await database.ScalarAsync<long>(live, deadline));

        var done = (await RecoveryEndpoints.Recover(Parts.Somebody, parts.Recovery, deadline)).Value!;
        Assert.Equal((3, 1, false, "lost", 1), (done.Checked, done.Recovered, done.DryRun, Assert.Single(done.Agents), done.Leases));
        Assert.Equal(2L, await database.ScalarAsync<long>(live, deadline));
        Assert.Equal(worker["lost"], await database.ScalarAsync<Guid>("SELECT lease_worker FROM task WHERE lease_until <= now()", deadline));
        Assert.Equal(0, (await RecoveryEndpoints.Recover(Parts.Somebody, parts.Recovery, deadline)).Value!.Recovered);
        Assert.Equal(1L, await EntriesAsync(database, "AgentRecovered", deadline));
    }

    [Fact]
    public async Task A_reclaim_without_a_destination_and_a_dry_run_change_nothing()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var parts = new Parts(database);
        var (gone, _) = await LeftBehindAsync(parts, database, deadline);
        await parts.SpawnAsync("heir", deadline);
        var before = await FingerprintAsync(database, deadline);
        Assert.Equal(("Listed", 3, true), Told(await ReclaimAsync(parts, deadline)));
        Assert.Equal(("Listed", 3, true), Told(await ReclaimAsync(parts, deadline, new(From: "gone"))));
        Assert.Equal(("Backlog", 3, true), Told(await ReclaimAsync(parts, deadline, new(ToBacklog: true), dry: true)));
        Assert.Equal(("Agent(\"heir\")", 3, true), Told(await ReclaimAsync(parts, deadline, new(To: "heir"), dry: true)));
        foreach (var action in (string?[])[null, "list", "to_backlog", "cancel", "delete"])
        {
            var orphans = await OrphansAsync(parts, action, deadline, dry: true);
            Assert.Equal(3, orphans.Count);
            Assert.All(orphans.Orphans, one => Assert.Equal((gone.Value, "assigned", "agent_terminal"), (one.AssignedTo, one.State, one.Reason)));
        }

        Assert.Equal(before, await FingerprintAsync(database, deadline));
    }

    [Fact]
    public async Task Reclaimed_tasks_go_to_the_backlog_or_to_an_agent_with_their_place_and_their_delay()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var parts = new Parts(database);
        var (_, working) = await LeftBehindAsync(parts, database, deadline);
        var heir = await parts.SpawnAsync("heir", deadline);
        var ranks = await database.ScalarAsync<string>("SELECT string_agg(rank::text, ',' ORDER BY id) FROM task", deadline);
        Assert.Equal(("Agent(\"heir\")", 3, false), Told(await ReclaimAsync(parts, deadline, new(To: "heir"))));
        Assert.Equal("heir 2 due, heir 1 later, busy 1 due", await database.ScalarAsync<string>("""
            SELECT string_agg(line, ', ' ORDER BY line DESC) FROM (
                SELECT a.name || ' ' || count(*) || CASE WHEN t.due THEN ' due' ELSE ' later' END AS line
                FROM task t JOIN agent a ON a.id = t.agent_id GROUP BY a.name, t.due) x
            """, deadline));

        await parts.Control.MoveAsync(heir, AgentEvent.Kill, null, "test", deadline);
        Assert.Equal(("Backlog", 3, false), Told(await ReclaimAsync(parts, deadline, new(ToBacklog: true))));
        Assert.Equal(3L, await database.ScalarAsync<long>("SELECT count(*) FROM task WHERE state = 'pending' AND agent_id IS NULL", deadline));
        Assert.Equal(ranks, await database.ScalarAsync<string>("SELECT string_agg(rank::text, ',' ORDER BY id) FROM task", deadline));
        Assert.Equal("3 1", await database.ScalarAsync<string>($"SELECT pending || ' ' || assigned FROM task_count_now WHERE town = '{database.Town}'", deadline));
        Assert.Equal(6L, await EntriesAsync(database, "TaskReclaimed", deadline));
        Assert.Equal(("Backlog", 0, false), Told(await ReclaimAsync(parts, deadline, new(ToBacklog: true))));
        Assert.Equal(1L, await database.ScalarAsync<long>($"SELECT count(*) FROM task WHERE agent_id = '{working}'", deadline));
    }

    [Fact]
    public async Task Nothing_is_taken_from_an_agent_that_works_or_given_to_one_that_does_not()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var parts = new Parts(database);
        await LeftBehindAsync(parts, database, deadline);
        Assert.Equal("agent_not_ended", Code(await ReclaimAsync(parts, deadline, new(ToBacklog: true, From: "busy"))));
        Assert.Equal("agent_not_accepting", Code(await ReclaimAsync(parts, deadline, new(To: "gone"))));
        Assert.Equal("agent_not_found", Code(await ReclaimAsync(parts, deadline, new(To: "nobody"))));
        Assert.Equal("agent_not_found", Code(await ReclaimAsync(parts, deadline, new(From: "nobody", ToBacklog: true))));
        Assert.Equal(0L, await EntriesAsync(database, "TaskReclaimed", deadline));
    }

    [Fact]
    public async Task Orphans_are_also_those_of_an_agent_that_is_gone_and_deleting_them_withdraws_them()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var parts = new Parts(database);
        var (gone, _) = await LeftBehindAsync(parts, database, deadline);
        await database.ExecuteAsync($"DELETE FROM agent WHERE id = '{gone}'", deadline);
        Assert.All((await OrphansAsync(parts, "list", deadline)).Orphans, one => Assert.Equal("agent_missing", one.Reason));
        Assert.Equal(3, (await OrphansAsync(parts, "delete", deadline)).Count);
        Assert.Equal(3L, await database.ScalarAsync<long>("SELECT count(*) FROM task_history WHERE state = 'cancelled'", deadline));
        Assert.Equal(3L, await EntriesAsync(database, "TaskCancelled", deadline));
        Assert.Equal(0, (await OrphansAsync(parts, "list", deadline)).Count);
        var refusal = (await RecoveryEndpoints.ReclaimOrphans(Parts.Somebody, parts.Recovery, deadline, new("burn"))).Result;
        Assert.Equal((400, "bad_query"), refusal is Refusal one ? (one.Status, one.Code) : default);
    }

    [Fact]
    public async Task Many_orphans_are_moved_in_bounded_batches_until_none_is_left()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var parts = new Parts(database);
        var agent = await parts.SpawnAsync("gone", deadline);
        foreach (var _ in Enumerable.Range(0, 5))
        {
            await parts.Tasks.AcceptAsync([.. Enumerable.Range(0, 500).Select(_ => Parts.Task(agent))], deadline);
        }

        await parts.Control.MoveAsync(agent, AgentEvent.Kill, null, "test", deadline);
        var (moved, more) = await parts.Recovery.ReclaimAsync(agent, null, "test", deadline);
        Assert.Equal((2500, 2500, false), (moved.Count, moved.Select(static one => one.TaskId).Distinct().Count(), more));
        Assert.Equal(2500L, await database.ScalarAsync<long>("SELECT count(*) FROM task WHERE state = 'pending'", deadline));
    }

    [Fact]
    public async Task Pruning_removes_ended_agents_without_work_and_with_all_also_cold_ones()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var parts = new Parts(database);
        await LeftBehindAsync(parts, database, deadline);
        foreach (var name in (string[])["ended", "cold", "fresh", "running"])
        {
            await parts.SpawnAsync(name, deadline);
        }

        await database.ExecuteAsync("UPDATE agent SET control = 'stopped' WHERE name IN ('ended', 'running')", deadline);
        await database.ExecuteAsync("UPDATE agent SET running = 1 WHERE name = 'running'", deadline);
        await database.ExecuteAsync("UPDATE agent SET created_at = now() - interval '1 day' WHERE name = 'cold'", deadline);
        var directory = new AgentDirectory(parts.Agents);
        async Task<string> PruneAsync(bool all, bool dry) =>
            string.Join(',', ((Ok<PrunedView>)(await RecoveryEndpoints.Prune(Parts.Somebody, directory, parts.Recovery, deadline, new(all), dry)).Result).Value!.Agents);
        Assert.Equal("cold,ended", await PruneAsync(all: true, dry: true));
        Assert.Equal("ended", await PruneAsync(all: false, dry: true));
        Assert.Equal(6L, await parts.Agents.CountAsync(deadline));
        Assert.Equal("ended", await PruneAsync(all: false, dry: false));
        Assert.Equal("cold", await PruneAsync(all: true, dry: false));
        Assert.Equal("", await PruneAsync(all: true, dry: false));
        Assert.Equal(2L, await EntriesAsync(database, "AgentPruned", deadline));
        Assert.Equal(4L, await parts.Agents.CountAsync(deadline));
    }

    [Fact]
    public async Task A_task_that_is_accepted_while_agents_are_pruned_has_an_agent_or_is_refused()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var parts = new Parts(database);
        var agents = new List<AgentId>();
        for (var i = 0; i < 40; i++)
        {
            agents.Add(await parts.SpawnAsync($"cold-{i}", deadline));
        }

        await database.ExecuteAsync("UPDATE agent SET created_at = now() - interval '1 day'", deadline);
        var accepting = agents.Select(agent => Task.Run(() => parts.Tasks.AcceptAsync([Parts.Task(agent)], deadline))).ToList();
        var pruned = await parts.Recovery.PruneAsync(all: true, dry: false, "test", deadline);
        await Task.WhenAll(accepting);
        Assert.Equal(0L, await database.ScalarAsync<long>(
            "SELECT count(*) FROM task t WHERE NOT EXISTS (SELECT FROM agent a WHERE a.id = t.agent_id)", deadline));
        Assert.Equal(40L, pruned.Count + await database.ScalarAsync<long>("SELECT count(*) FROM task", deadline));
    }

    /// <summary>Two due tasks and a delayed one of an agent that was killed, and one of an agent that works.</summary>
    private static async Task<(AgentId Gone, AgentId Busy)> LeftBehindAsync(Parts parts, TestDatabase database, CancellationToken deadline)
    {
        var gone = await parts.SpawnAsync("gone", deadline);
        await AssignAsync(parts, gone, deadline);
        await AssignAsync(parts, gone, deadline);
        var delayed = await AssignAsync(parts, gone, deadline);
        await database.ExecuteAsync($"UPDATE task SET due = false, available_at = now() + interval '1 hour' WHERE id = '{delayed}'", deadline);
        await parts.Control.MoveAsync(gone, AgentEvent.Kill, null, "test", deadline);
        var busy = await parts.SpawnAsync("busy", deadline);
        await AssignAsync(parts, busy, deadline);
        return (gone, busy);
    }

    private static async Task<TaskId> AssignAsync(Parts parts, AgentId agent, CancellationToken deadline)
    {
        var task = Parts.Task(agent);
        await parts.Tasks.AcceptAsync([task], deadline);
        return task.Id;
    }

    /// <summary>Makes the task run on a new worker in this state.</summary>
    private static async Task<Guid> RunAsync(TestDatabase database, TaskId task, string state, CancellationToken deadline)
    {
        var worker = Guid.CreateVersion7();
        await database.ExecuteAsync($"""
            INSERT INTO worker (id, town, name, host, pid, version, runtimes, slots, sandbox, state, token_hash, ended_at)
            VALUES ('{worker}', '{database.Town}', 'w', 'here', 1, '1', ARRAY['command'], 4, 'none', '{state}', decode(repeat('00', 32), 'hex'),
                    CASE WHEN '{state}' = 'lost' THEN now() END);
            UPDATE task SET state = 'running', attempt = 1, lease_token = gen_random_uuid(), lease_worker = '{worker}', leased_at = now(),
                lease_until = now() + interval '1 minute' WHERE id = '{task}';
            UPDATE agent SET running = running + 1 WHERE id = (SELECT agent_id FROM task WHERE id = '{task}')
            """, deadline);
        return worker;
    }

    private static async Task<IResult> ReclaimAsync(Parts parts, CancellationToken deadline, ReclaimRequest? request = null, bool dry = false) =>
        (await RecoveryEndpoints.Reclaim(
            Parts.Somebody, new AgentDirectory(parts.Agents), parts.Agents, parts.Recovery, parts.Doorbell, deadline, request, dry)).Result;

    private static async Task<OrphansView> OrphansAsync(Parts parts, string? action, CancellationToken deadline, bool dry = false) =>
        ((await RecoveryEndpoints.ReclaimOrphans(Parts.Somebody, parts.Recovery, deadline, new(action), dry)).Result as IValueHttpResult<OrphansView>)!.Value!;

    private static (string, int, bool) Told(IResult result) =>
        result is IValueHttpResult<ReclaimedView> { Value: { } view } ? (view.Destination, view.Reclaimed, view.DryRun) : default;

    private static string? Code(IResult result) => (result as Refusal)?.Code;

    private static Task<long> EntriesAsync(TestDatabase database, string action, CancellationToken deadline) =>
        database.ScalarAsync<long>($"SELECT count(*) FROM ledger_pending WHERE action = '{action}'", deadline)!;

    /// <summary>Every row that a preview could have touched.</summary>
    private static Task<string?> FingerprintAsync(TestDatabase database, CancellationToken deadline) => database.ScalarAsync<string>("""
        SELECT md5((SELECT string_agg(t::text, ',' ORDER BY id) FROM task t) || (SELECT string_agg(a::text, ',' ORDER BY id) FROM agent a)
                   || (SELECT count(*) FROM ledger_pending) || (SELECT count(*) FROM task_count_delta))
        """, deadline);
}
