using Microsoft.Extensions.Configuration;
using Townhall.Scaler.Demand;
using Townhall.Scaler.Signal;
using Townhall.ServiceDefaults.Settings;
using Townhall.Testing;

namespace Townhall.Scaler.Tests.Demand;

public sealed class DemandStoreTests(PostgresServer postgres) : IClassFixture<PostgresServer>
{
    private readonly CancellationToken _deadline = Deadline.Usual();

    [Fact]
    public async Task Only_what_may_start_now_is_startable()
    {
        await using var database = await postgres.CreateDatabaseAsync(_deadline);
        await Seed.TasksAsync(database, await Seed.AgentAsync(database, "one-at-a-time", _deadline), 5, _deadline);
        await Seed.TasksAsync(database, await Seed.AgentAsync(database, "three-at-a-time", _deadline, concurrency: 3), 5, _deadline);
        await Seed.TasksAsync(database, await Seed.AgentAsync(database, "paused", _deadline, control: "paused"), 5, _deadline);
        await Seed.TasksAsync(database, await Seed.AgentAsync(database, "later", _deadline), 5, _deadline, due: false);
        await Seed.BacklogAsync(database, 2, _deadline);

        var demand = await Store(database).ReadAsync(_deadline);

        Assert.Equal((2, 20, 0, 4), (demand.Backlog, demand.Assigned, demand.Running, demand.Startable));
        Assert.InRange(demand.OldestWaitingSecs!.Value, 0, 30);
    }

    [Fact]
    public async Task A_backlog_is_demand_only_as_far_as_idle_agents_of_its_role_would_start_it_now()
    {
        await using var database = await postgres.CreateDatabaseAsync(_deadline);
        await Seed.BacklogAsync(database, 5, _deadline);
        await Seed.AgentAsync(database, "paused", _deadline, control: "paused", concurrency: 9);
        await Seed.AgentAsync(database, "busy", _deadline, running: 1);
        var demand = await Store(database).ReadAsync(_deadline);
        Assert.Equal((5, 0, 0), (demand.Backlog, demand.Startable, demand.Claimable));
        Assert.Null(demand.OldestWaitingSecs);

        await Seed.AgentAsync(database, "idle", _deadline, concurrency: 3);
        demand = await Store(database).ReadAsync(_deadline);
        Assert.Equal((5, 0, 3), (demand.Backlog, demand.Startable, demand.Claimable));
        Assert.InRange(demand.OldestWaitingSecs!.Value, 0, 30);
        var decision = ScalingDecision.From(demand, new AgentCounts(3, 0), new ScalingLimits(MaxAgents: 10, MaxWorkers: 9, SlotsPerWorker: 2));
        Assert.Equal((5, 2), (decision.Pending, decision.WantedWorkers));
    }

    [Fact]
    public async Task Agents_are_counted_by_the_state_people_see()
    {
        await using var database = await postgres.CreateDatabaseAsync(_deadline);
        await Seed.AgentAsync(database, "new", _deadline);
        await Seed.AgentAsync(database, "idle", _deadline, age: "1 day", lastActive: "10 s");
        await Seed.AgentAsync(database, "working", _deadline, age: "1 day", lastActive: "1 hour", running: 1);
        await Seed.AgentAsync(database, "paused", _deadline, control: "paused", age: "1 day");
        await Seed.AgentAsync(database, "draining", _deadline, control: "draining", age: "1 day");
        await Seed.AgentAsync(database, "cold", _deadline, age: "1 day", lastActive: "1 hour");
        await Seed.AgentAsync(database, "never-used", _deadline, age: "1 day");
        await Seed.AgentAsync(database, "stopped", _deadline, control: "stopped");
        var woken = await Seed.AgentAsync(database, "woken", _deadline, age: "1 day", lastActive: "1 hour");
        await Seed.TasksAsync(database, woken, 1, _deadline);

        Assert.Equal(new AgentCounts(Active: 6, Cold: 2) { All = 9 }, await Store(database).CountAgentsAsync(_deadline));
        Assert.Equal(
            new AgentCounts(Active: 8, Cold: 0) { All = 9 }, await Store(database, ("TOWN_IDLE_TIMEOUT_SECS", "0")).CountAgentsAsync(_deadline));
    }

    [Fact]
    public async Task Workers_count_while_they_are_heard_of_or_hold_a_lease()
    {
        await using var database = await postgres.CreateDatabaseAsync(_deadline);
        var agent = await Seed.AgentAsync(database, "a", _deadline, concurrency: 5);
        await Seed.TasksAsync(database, agent, 2, _deadline);
        await Seed.WorkerAsync(database, _deadline);
        await Seed.WorkerAsync(database, _deadline, seen: "10 min");
        await Seed.WorkerAsync(database, _deadline, state: "lost");
        await Seed.WorkerAsync(database, _deadline, state: "drained");
        var draining = await Seed.WorkerAsync(database, _deadline, state: "draining", seen: "10 min");
        await Seed.LeaseAsync(database, agent, draining, _deadline);

        var demand = await Store(database).ReadAsync(_deadline);

        Assert.Equal((1, 1, 2, 2), (demand.Workers, demand.DrainingWorkers, demand.DrainingTasks, demand.Running));
        Assert.Equal((0, null), (demand.Startable, demand.OldestWaitingSecs));
    }

    [Fact]
    public async Task Another_town_in_the_same_database_is_not_seen()
    {
        await using var database = await postgres.CreateDatabaseAsync(_deadline);
        await Seed.TasksAsync(database, await Seed.AgentAsync(database, "a", _deadline), 1, _deadline);

        var other = Store(database, ("TOWN_NAME", "town"));
        var demand = await other.ReadAsync(_deadline);

        Assert.Equal((0, 0, new AgentCounts(0, 0)), (demand.Assigned, demand.Startable, await other.CountAgentsAsync(_deadline)));
    }

    private static DemandStore Store(TestDatabase database, params (string Key, string Value)[] settings)
    {
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(
            settings.Prepend(("TOWN_NAME", database.Town)).Select(static one => KeyValuePair.Create(one.Item1, (string?)one.Item2)).Reverse().DistinctBy(static one => one.Key)).Build();
        return new DemandStore(database.App, TownSettings.From(configuration));
    }
}
