using Townhall.Contracts.Workers;
using Townhall.Dispatcher.Control;
using Townhall.Dispatcher.Workers;
using Townhall.Testing;

namespace Townhall.Dispatcher.Tests.Control;

/// <summary>What a worker is told follows from the rows and from what it says it does already, at every call anew.</summary>
public sealed class DirectiveTests(PostgresServer postgres) : IClassFixture<PostgresServer>
{
    [Fact]
    public async Task A_withdrawn_attempt_is_told_to_cancel_and_those_of_others_are_not()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var (seed, control, worker, leases) = await RunningAsync(database, 2, deadline);
        var other = await seed.WorkerAsync(deadline);
        Assert.Empty(await control.DirectivesAsync(worker.Id, [], deadline));
        await database.ScalarAsync<string>($"SELECT cancel_task('{database.Town}', '{leases[0].TaskId}', 'test')", deadline);
        Assert.Equal([new("cancel", leases[0].TaskId, 1, null)], await control.DirectivesAsync(worker.Id, [], deadline));
        Assert.Empty(await control.DirectivesAsync(other.Id, [], deadline));
    }

    [Fact]
    public async Task A_killed_agents_attempts_are_ended_also_when_it_was_restarted_since_and_later_ones_are_not()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var (seed, control, worker, leases) = await RunningAsync(database, 1, deadline);
        await MoveAsync(database, leases[0].AgentId, "kill", deadline);
        Assert.Equal([new("kill", leases[0].TaskId, 1, null)], await control.DirectivesAsync(worker.Id, [], deadline));
        await MoveAsync(database, leases[0].AgentId, "restart", deadline);
        Assert.Equal([new("kill", leases[0].TaskId, 1, null)], await control.DirectivesAsync(worker.Id, [], deadline));

        Assert.Equal("released", (await seed.Settling.SettleAsync([Seed.End(worker, leases[0], "released", exit: null)], deadline))[0].Verdict);
        Assert.Equal(2, Assert.Single(await seed.ClaimAsync(worker, 1, deadline, leases[0].AgentId)).Epoch);
        Assert.Empty(await control.DirectivesAsync(worker.Id, [], deadline));
        await seed.HoldsAsync(deadline);
    }

    [Fact]
    public async Task A_killed_agents_tasks_stay_its_own_and_do_not_start()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var (seed, _, worker, leases) = await RunningAsync(database, 1, deadline);
        await MoveAsync(database, leases[0].AgentId, "kill", deadline);
        await seed.Settling.SettleAsync([Seed.End(worker, leases[0], "released", exit: null)], deadline);
        Assert.Empty(await seed.ClaimAsync(worker, 1, deadline, leases[0].AgentId));
        Assert.Equal("assigned", await database.ScalarAsync<string>("SELECT state FROM task", deadline));
        await seed.HoldsAsync(deadline);
    }

    [Fact]
    public async Task A_frozen_agents_attempts_are_told_until_they_stand_still_and_to_go_on_until_they_do()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var (_, control, worker, leases) = await RunningAsync(database, 1, deadline);
        var task = leases[0].TaskId;
        await MoveAsync(database, leases[0].AgentId, "pause", deadline);
        Assert.Empty(await control.DirectivesAsync(worker.Id, [], deadline));
        await MoveAsync(database, leases[0].AgentId, "pause", deadline, freeze: true);
        Assert.Equal([new("pause", task, 1, null)], await control.DirectivesAsync(worker.Id, [], deadline));
        Assert.Empty(await control.DirectivesAsync(worker.Id, [task], deadline));
        await MoveAsync(database, leases[0].AgentId, "resume", deadline);
        Assert.Equal([new("resume", task, 1, null)], await control.DirectivesAsync(worker.Id, [task], deadline));
        Assert.Empty(await control.DirectivesAsync(worker.Id, [], deadline));
    }

    [Fact]
    public async Task Words_go_to_the_running_attempt_in_order_until_it_says_it_has_them()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var (seed, control, worker, leases) = await RunningAsync(database, 1, deadline);
        var other = await seed.WorkerAsync(deadline);
        await SteerAsync(database, leases[0].TaskId, "one", deadline);
        await SteerAsync(database, leases[0].TaskId, "two", deadline);
        var told = await control.DirectivesAsync(worker.Id, [], deadline);
        Assert.Equal([("steer", "one"), ("steer", "two")], told.Select(static one => (one.Kind, one.Text)));

        // Only the attempt's own worker may say so.
        await control.TakenAsync(other.Id, [new(told[0].NoteId!.Value, leases[0].TaskId, 1, Delivered: true)], deadline);
        Assert.Equal(2, (await control.DirectivesAsync(worker.Id, [], deadline)).Length);
        SteeringTaken[] taken =
        [
            new(told[0].NoteId!.Value, leases[0].TaskId, 1, Delivered: true), new(told[1].NoteId!.Value, leases[0].TaskId, 1, Delivered: false),
        ];
        await control.TakenAsync(worker.Id, taken, deadline);
        await control.TakenAsync(worker.Id, taken, deadline);
        Assert.Empty(await control.DirectivesAsync(worker.Id, [], deadline));
        Assert.Equal("true 1,false 1", await database.ScalarAsync<string>(
            "SELECT string_agg((delivered_at IS NOT NULL) || ' ' || delivered_epoch, ',' ORDER BY id) FROM steering", deadline));
        Assert.Equal(2L, await database.ScalarAsync<long>("SELECT count(*) FROM ledger_pending WHERE action = 'SteeringDelivered'", deadline));
    }

    [Fact]
    public async Task A_later_attempt_gets_all_words_in_its_prompt_and_a_repeat_of_its_lease_call_too()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var (seed, control, worker, leases) = await RunningAsync(database, 1, deadline);
        Assert.Equal("work", leases[0].Description);
        await SteerAsync(database, leases[0].TaskId, "one\ntwo", deadline);
        await control.TakenAsync(worker.Id, [new(1, leases[0].TaskId, 1, Delivered: true)], deadline);
        await seed.Settling.SettleAsync([Seed.End(worker, leases[0], "released", exit: null)], deadline);
        await SteerAsync(database, leases[0].TaskId, "three", deadline);

        var lease = Assert.Single(await seed.ClaimAsync(worker, 1, deadline, leases[0].AgentId));
        var lines = lease.Description.Split('\n');
        Assert.Equal(["work", "", SteeredPrompts.Heading, "# one", "# two", "# three", ""], lines.Where(static line => !line.StartsWith("# [", StringComparison.Ordinal)));
        Assert.Equal(2, lines.Length - 7);
        Assert.Equal(0L, await database.ScalarAsync<long>("SELECT count(*) FROM steering WHERE delivered_epoch IS DISTINCT FROM 2", deadline));
        Assert.Empty(await control.DirectivesAsync(worker.Id, [], deadline));

        var request = await database.ScalarAsync<Guid>("SELECT lease_request FROM task", deadline);
        Assert.Equal(lease.Description, Assert.Single(await seed.Leases.RepeatAsync(worker.Id, request, deadline)).Description);
        await seed.Settling.SettleAsync([Seed.End(worker, lease)], deadline);
        Assert.Equal(0L, await database.ScalarAsync<long>("SELECT count(*) FROM steering", deadline));
    }

    [Fact]
    public async Task A_draining_agent_is_stopped_by_the_end_of_its_last_attempt()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var (seed, control, worker, leases) = await RunningAsync(database, 2, deadline);
        await seed.TasksAsync(leases[0].AgentId, 1, deadline);
        await MoveAsync(database, leases[0].AgentId, "close", deadline);
        Assert.Empty(await seed.ClaimAsync(worker, 5, deadline, leases[0].AgentId));
        Assert.Empty(await control.DirectivesAsync(worker.Id, [], deadline));
        foreach (var (lease, state) in leases.Zip((string[])["draining", "stopped"]))
        {
            await seed.Settling.SettleAsync([Seed.End(worker, lease)], deadline);
            Assert.Equal(state, await database.ScalarAsync<string>("SELECT control FROM agent", deadline));
        }

        await seed.HoldsAsync(deadline);
    }

    private static async Task<(Seed Seed, ControlStore Control, KnownWorker Worker, List<Lease> Leases)> RunningAsync(
        TestDatabase database, int tasks, CancellationToken deadline)
    {
        var seed = new Seed(database);
        var agent = await seed.AgentAsync("a", deadline, concurrency: tasks);
        await seed.TasksAsync(agent, tasks, deadline);
        var worker = await seed.WorkerAsync(deadline);
        return (seed, new ControlStore(database.App, seed.Town), worker, await seed.ClaimAsync(worker, tasks, deadline, agent));
    }

    private static Task MoveAsync(TestDatabase database, Guid agent, string on, CancellationToken deadline, bool? freeze = null) =>
        database.ScalarAsync<bool>(
            $"SELECT legal FROM control_agent('{database.Town}', '{agent}', '{on}', {(freeze is { } value ? $"{value}" : "NULL")}, 'test')", deadline);

    private static Task SteerAsync(TestDatabase database, Guid task, string text, CancellationToken deadline) =>
        database.ScalarAsync<string>($"SELECT verdict FROM steer_task('{database.Town}', '{task}', '{text}', 'test', 1000)", deadline);
}
