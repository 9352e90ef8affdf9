using Microsoft.Extensions.Logging.Abstractions;
using Townhall.Dispatcher.Duties;
using Townhall.Testing;

namespace Townhall.Dispatcher.Tests.Duties;

public sealed class ReaperTests(PostgresServer postgres) : IClassFixture<PostgresServer>
{
    [Theory]
    [InlineData(30, 5, 19, true)]
    [InlineData(30, 5, 21, false)]
    [InlineData(3, 0.5, 1, true)]
    // Shorter than it takes to find a new leader, and longer than a worker with so short a lease could wait.
    [InlineData(3, 0.5, 2.5, false)]
    public async Task After_an_outage_of_its_own_the_reaper_waits_a_lease_before_it_expires_anything(double lease, double period, double gap, bool allowed)
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var reaper = await ReaperAsync(database, lease, period, deadline);
        Assert.False(await reaper.BeginAsync(7, broken: false, deadline));
        await database.ExecuteAsync("UPDATE leader SET hold_until = now()", deadline);
        Assert.True(await reaper.BeginAsync(7, broken: false, deadline));

        await database.ExecuteAsync(FormattableString.Invariant($"UPDATE leader SET turned_at = now() - interval '{gap} s'"), deadline);
        Assert.Equal(allowed, await reaper.BeginAsync(7, broken: false, deadline));
        Assert.False(await reaper.BeginAsync(6, broken: false, deadline));
    }

    [Fact]
    public async Task A_turn_that_failed_is_an_outage_however_short_it_was()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var reaper = await ReaperAsync(database, 30, 5, deadline);
        await reaper.BeginAsync(7, broken: false, deadline);
        await database.ExecuteAsync("UPDATE leader SET hold_until = now()", deadline);
        Assert.True(await reaper.BeginAsync(7, broken: false, deadline));
        Assert.False(await reaper.BeginAsync(7, broken: true, deadline));
        Assert.True(await database.ScalarAsync<bool>("SELECT hold_until > now() + interval '29 s' FROM leader", deadline));
    }

    [Fact]
    public async Task A_task_that_cannot_be_ended_holds_up_no_other()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var seed = new Seed(database);
        var (agent, worker) = (await seed.AgentAsync("a", deadline, concurrency: 8), await seed.WorkerAsync(deadline));
        var tasks = await seed.TasksAsync(agent, 4, deadline);
        Assert.Equal(4, (await seed.ClaimAsync(worker, 8, deadline, agent)).Count);

        // The first to expire would be buried, and no outcome can be written for it: one stands there already.
        await database.ExecuteAsync($"""
            UPDATE task SET lease_until = now() - interval '1 second';
            UPDATE task SET lease_until = now() - interval '9 seconds', crashes = 2 WHERE id = '{tasks[2]}';
            INSERT INTO task_history (id, town, agent_id, state, priority, description, tags, max_attempts, attempt, failures, crashes, created_by, created_at)
            SELECT id, town, agent_id, 'dead', priority, description, tags, max_attempts, attempt, failures, crashes, created_by, created_at
            FROM task WHERE id = '{tasks[2]}'
            """, deadline);
        Assert.Equal([agent, agent, agent], await seed.Reaping.ExpireAsync(deadline));
        Assert.Equal(tasks[2], await database.ScalarAsync<Guid>("SELECT id FROM task WHERE state = 'running'", deadline));
        Assert.Empty(await seed.Reaping.ExpireAsync(deadline));
    }

    private static async Task<ReaperStore> ReaperAsync(TestDatabase database, double lease, double period, CancellationToken deadline)
    {
        var seed = new Seed(database);
        await database.ExecuteAsync(
            $"INSERT INTO leader (town, duty, holder, epoch, until) VALUES ('{seed.Town.Name}', 'dispatch', gen_random_uuid(), 7, now())", deadline);
        var town = new ServiceDefaults.Settings.TownSettings
        {
            Name = seed.Town.Name,
            Root = "/",
            Lease = TimeSpan.FromSeconds(lease),
            ReaperPeriod = TimeSpan.FromSeconds(period),
        };
        return new(database.App, town, NullLogger<ReaperStore>.Instance);
    }
}
