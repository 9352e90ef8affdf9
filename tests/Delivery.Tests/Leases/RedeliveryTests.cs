using Townhall.Delivery.Tests.Town;
using Townhall.Faults;
using Townhall.Testing;

namespace Townhall.Delivery.Tests.Leases;

/// <summary>When work starts, and when it starts again.</summary>
public sealed class RedeliveryTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task After_a_silent_death_the_task_starts_again_within_a_lease_a_look_and_two_seconds(bool streams)
    {
        var deadline = Deadline.Of(TimeSpan.FromSeconds(60));
        await using var town = await MeasuredTown.StartAsync(new(Workers: 2, Lease: 2), deadline, streams);
        var agent = await town.AgentAsync(deadline);
        Guid[] tasks = [await town.AssignAsync(agent, "sleep 600", deadline), await town.AssignAsync(agent, "sleep 600", deadline)];
        foreach (var task in tasks)
        {
            await town.Parts.StartedAsync(task, 1, deadline);
        }

        await town.ReapsAsync(deadline);
        var pid = await town.ScalarAsync<int>("SELECT w.pid FROM task t JOIN worker w ON w.id = t.lease_worker WHERE t.state = 'running' LIMIT 1", deadline);
        var held = await town.ScalarAsync<Guid[]>(
            $"SELECT array_agg(t.id) FROM task t JOIN worker w ON w.id = t.lease_worker WHERE t.state = 'running' AND w.pid = {pid}", deadline);
        var died = await town.NowAsync(deadline);
        await town.Parts.Workers.Single(worker => worker.Process.Pid == pid).KillAsync(deadline);
        foreach (var task in held!)
        {
            var again = await town.StartedAsync(task, 2, deadline);
            Assert.InRange(again - died, TimeSpan.Zero, town.Lease + MeasuredTown.Reaper + TimeSpan.FromSeconds(2));
        }
    }

    [Fact]
    public async Task After_a_graceful_stop_the_task_is_released_and_starts_again_within_two_seconds()
    {
        var deadline = Deadline.Of(TimeSpan.FromSeconds(60));
        await using var town = await MeasuredTown.StartAsync(new(Workers: 1, Lease: 30, DrainSecs: 1), deadline);
        var task = await town.AssignAsync(await town.AgentAsync(deadline), "sleep 600", deadline);
        await town.Parts.StartedAsync(task, 1, deadline);
        var spare = town.Parts.NewWorker("spare");
        town.Parts.Workers.Add(spare);
        await spare.BeginAsync();
        await town.Parts.StartAllAsync(deadline);
        var told = await town.NowAsync(deadline);
        Assert.Equal(0, await town.Parts.Workers[0].Process.StopAsync(deadline));
        var again = await town.StartedAsync(task, 2, deadline);
        var released = await town.EntryAsync("TaskReleased", task, deadline);
        Assert.InRange(released - told, TimeSpan.FromSeconds(1), MeasuredTown.Grace);
        Assert.InRange(again - released, TimeSpan.Zero, TimeSpan.FromSeconds(2) * ProcessTable.Stretch());
    }

    [Fact]
    public async Task A_live_worker_is_not_robbed_of_a_task_that_takes_twenty_leases()
    {
        var deadline = Deadline.Of(TimeSpan.FromSeconds(90));
        await using var town = await MeasuredTown.StartAsync(new(Workers: 2, Lease: 2), deadline);
        var agents = await town.Parts.AgentsAsync(2, deadline);
        var task = await town.AssignAsync(agents[0], "sleep 40", deadline);
        await town.Parts.StartedAsync(task, 1, deadline);

        // Others come and go beside it, so that its worker has more to do than to renew.
        while (await town.Parts.StateAsync(task, deadline) == "running")
        {
            await town.Parts.EndedAsync(await town.AssignAsync(agents[1], "sleep 0.05", deadline), deadline);
        }

        Assert.Equal("completed", await town.Parts.EndedAsync(task, deadline));
        Assert.InRange(await town.ScalarAsync<TimeSpan>($"SELECT completed_at - started_at FROM task_history WHERE id = '{task}'", deadline), 20 * town.Lease, TimeSpan.FromSeconds(60));
        Assert.Equal(1, await town.ScalarAsync<int>("SELECT max(attempt) FROM task_history", deadline));
        Assert.Equal(0, await town.EntriesAsync("LeaseExpired", deadline));
        Assert.Equal([1], town.Parts.Effects.Read().Where(effect => effect.Task == task).Select(static effect => effect.Epoch).Distinct());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Delayed_work_starts_neither_before_its_time_nor_a_look_and_a_second_after_it(bool streams)
    {
        var deadline = Deadline.Of(TimeSpan.FromSeconds(60));
        await using var town = await MeasuredTown.StartAsync(new(Workers: 1, Slots: 64), deadline, streams);
        var agent = await town.AgentAsync(deadline, fake: false, concurrency: 64);
        var now = await town.NowAsync(deadline);
        var due = new Dictionary<Guid, DateTime>();
        for (var i = 0; i < 30; i++)
        {
            // All are accepted before the first is due, also by services that have just started, and none waits for another to end.
            var at = now.AddMilliseconds(6000 + (i * 257));
            due.Add(await town.AssignAsync(agent, "later", deadline, at), at);
        }

        await town.Parts.QuietAsync(deadline);
        var late = new List<TimeSpan>();
        foreach (var (task, at) in due)
        {
            late.Add(await town.ScalarAsync<DateTime>($"SELECT started_at FROM task_history WHERE id = '{task}'", deadline) - at);
        }

        // The database keeps microseconds, and what was sent has more. A disk that stands still for a moment delays one look, and
        // with it what the look would have found: a fifth may be later, and nothing by a second look.
        var usual = (MeasuredTown.Look + TimeSpan.FromSeconds(1)) * ProcessTable.Stretch();
        var seen = $"Late by {string.Join(", ", late)}, where {usual} is allowed.";
        Assert.True(late.Min() >= TimeSpan.FromMicroseconds(-1), seen);
        Assert.True(late.Count(time => time <= usual) >= late.Count * 4 / 5 && late.Max() <= 2 * usual, seen);
    }

    [Fact]
    public async Task A_cancelled_task_that_ignores_signals_has_no_process_left_after_the_grace()
    {
        var deadline = Deadline.Of(TimeSpan.FromSeconds(60));
        await using var town = await MeasuredTown.StartAsync(new(Workers: 1, Lease: 30), deadline);
        var agent = await town.AgentAsync(deadline);
        var running = await town.AssignAsync(agent, "deaf 600", deadline);
        await town.Parts.StartedAsync(running, 1, deadline);
        var processes = ProcessTable.Marked($"TOWNHALL_TASK_ID={running}");
        Assert.NotEmpty(processes);
        Assert.Equal(202, (await town.SendAsync(HttpMethod.Post, $"/v1/tasks/{running}/cancel", null, deadline)).Status);
        var asked = await town.EntryAsync("TaskCancelRequested", running, deadline);
        await Eventually.Holds(() => !processes.Any(Signals.Alive) && ProcessTable.Marked($"TOWNHALL_TASK_ID={running}").Count == 0, deadline, "its processes to be gone");
        Assert.InRange(await town.NowAsync(deadline) - asked, TimeSpan.Zero, MeasuredTown.Grace);
        Assert.Equal("cancelled", await town.Parts.EndedAsync(running, deadline));
    }
}
