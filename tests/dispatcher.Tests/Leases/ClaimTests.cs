using Townhall.Contracts.Workers;
using Townhall.Dispatcher.Leases;
using Townhall.Testing;

namespace Townhall.Dispatcher.Tests.Leases;

public sealed class ClaimTests(PostgresServer postgres) : IClassFixture<PostgresServer>
{
    [Fact]
    public async Task Workers_that_claim_at_once_never_get_the_same_task()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var seed = new Seed(database);
        var agents = await Task.WhenAll(Enumerable.Range(0, 10).Select(i => seed.AgentAsync($"a{i}", deadline, concurrency: 10)));
        foreach (var agent in agents)
        {
            await seed.TasksAsync(agent, 10, deadline);
        }

        var workers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => seed.WorkerAsync(deadline)));
        var claimed = new List<Lease>();
        while (claimed.Count < 100)
        {
            foreach (var claims in await Task.WhenAll(workers.Select(worker => seed.ClaimAsync(worker, 7, deadline, agents))))
            {
                claimed.AddRange(claims);
            }
        }

        Assert.Equal((100, 100), (claimed.Count, claimed.Select(lease => lease.TaskId).Distinct().Count()));
        Assert.All(claimed, lease => Assert.Equal(1, lease.Epoch));
        await seed.HoldsAsync(deadline);
    }

    [Fact]
    public async Task An_agent_never_runs_more_than_its_limit()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var seed = new Seed(database);
        var agent = await seed.AgentAsync("a", deadline, concurrency: 3);
        await seed.TasksAsync(agent, 20, deadline);
        var worker = await seed.WorkerAsync(deadline);
        var first = await seed.ClaimAsync(worker, 64, deadline, agent);
        Assert.Equal(3, first.Count);
        Assert.Empty(await seed.ClaimAsync(worker, 64, deadline, agent));

        await seed.Settling.SettleAsync([Seed.End(worker, first[0])], deadline);
        Assert.Single(await seed.ClaimAsync(worker, 64, deadline, agent));
        await seed.HoldsAsync(deadline);
    }

    [Fact]
    public async Task Work_of_one_agent_starts_in_the_order_it_was_given_and_urgent_work_first()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var seed = new Seed(database);
        var agent = await seed.AgentAsync("a", deadline, concurrency: 1);
        Guid[] tasks = [.. await seed.TasksAsync(agent, 3, deadline), .. await seed.TasksAsync(agent, 1, deadline, priority: 5)];
        var worker = await seed.WorkerAsync(deadline);
        var order = new List<Guid>();
        while (await seed.ClaimAsync(worker, 1, deadline, agent) is [var lease])
        {
            order.Add(lease.TaskId);
            await seed.Settling.SettleAsync([Seed.End(worker, lease)], deadline);
        }

        Assert.Equal([tasks[3], tasks[0], tasks[1], tasks[2]], order);
    }

    [Fact]
    public async Task One_claim_gives_every_agent_its_first_before_anyone_a_second()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var seed = new Seed(database);
        var crowd = await seed.AgentAsync("crowd", deadline, concurrency: 100);
        var single = await seed.AgentAsync("single", deadline, concurrency: 100);
        await seed.TasksAsync(crowd, 500, deadline);
        await seed.TasksAsync(single, 1, deadline);
        var worker = await seed.WorkerAsync(deadline);
        var leases = await seed.ClaimAsync(worker, 2, deadline, crowd, single);
        Assert.Equal(new[] { crowd, single }.Order(), leases.Select(lease => lease.AgentId).Order());
    }

    [Theory]
    [InlineData("paused")]
    [InlineData("stopped")]
    [InlineData("draining")]
    public async Task Nothing_starts_for_an_agent_that_is_not_active(string control)
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var seed = new Seed(database);
        var agent = await seed.AgentAsync("a", deadline);
        await seed.TasksAsync(agent, 1, deadline);
        await database.ExecuteAsync($"UPDATE agent SET control = '{control}'", deadline);
        Assert.Empty(await seed.ClaimAsync(await seed.WorkerAsync(deadline), 1, deadline, agent));
    }

    [Fact]
    public async Task Delayed_work_does_not_start_before_its_time_and_starts_then()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var seed = new Seed(database);
        var agent = await seed.AgentAsync("a", deadline);
        var worker = await seed.WorkerAsync(deadline);
        await seed.TasksAsync(agent, 1, deadline, notBefore: new DateTime(2190, 1, 1, 0, 0, 0, DateTimeKind.Utc));
        var sweep = new Duties.DutyStores(database, seed.Town).Reaper;
        Assert.Empty(await sweep.SweepAsync(deadline));
        Assert.Empty(await seed.ClaimAsync(worker, 1, deadline, agent));

        await database.ExecuteAsync("UPDATE task SET available_at = now() - interval '1 second'", deadline);
        Assert.Equal([agent], await sweep.SweepAsync(deadline));
        Assert.Single(await seed.ClaimAsync(worker, 1, deadline, agent));
    }

    [Fact]
    public async Task The_same_call_twice_gets_the_same_leases()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var seed = new Seed(database);
        var agent = await seed.AgentAsync("a", deadline, concurrency: 5);
        await seed.TasksAsync(agent, 3, deadline);
        var worker = await seed.WorkerAsync(deadline);
        var call = Guid.NewGuid();
        var claim = await seed.Leases.ClaimAsync(worker.Id, call, worker.Runtimes, [new Turn(agent, 3)], 3, deadline);
        var again = await seed.Leases.RepeatAsync(worker.Id, call, deadline);
        Assert.Equal(claim.Leases.Select(lease => lease.Token).Order(), again.Select(lease => lease.Token).Order());
        Assert.Empty(await seed.Leases.RepeatAsync(worker.Id, Guid.NewGuid(), deadline));
    }

    [Fact]
    public async Task A_drained_worker_is_given_nothing_and_a_worker_with_waiting_work_is_not_drained()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var seed = new Seed(database);
        var agent = await seed.AgentAsync("a", deadline);
        var worker = await seed.WorkerAsync(deadline);
        await seed.TasksAsync(agent, 2, deadline);
        Assert.Equal((false, true), await Drain(idle: true));

        var lease = Assert.Single(await seed.ClaimAsync(worker, 1, deadline, agent));
        var stopping = await seed.Workers.DrainAsync(worker, stopping: true, deadline);
        Assert.False(stopping.Drained);
        Assert.Equal(lease.Token, Assert.Single(stopping.Leases).Token);
        await seed.Settling.SettleAsync([Seed.End(worker, lease)], deadline);
        Assert.Empty(await seed.ClaimAsync(worker, 1, deadline, agent));
        Assert.Equal((true, false), await Drain(idle: false));
        Assert.Equal((true, false), await Drain(idle: false));
        Assert.Null(await seed.Workers.FindAsync(worker.Id, deadline));

        async Task<(bool, bool)> Drain(bool idle)
        {
            var reply = await seed.Workers.DrainAsync(worker, stopping: !idle, deadline);
            return (reply.Drained, reply.WorkWaiting);
        }
    }
}
