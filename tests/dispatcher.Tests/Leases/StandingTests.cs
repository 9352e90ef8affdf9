using Townhall.Testing;

namespace Townhall.Dispatcher.Tests.Leases;

/// <summary>At any quiet moment each live task is in exactly one place, asked for by one query over the real tables.</summary>
public sealed class StandingTests(PostgresServer postgres) : IClassFixture<PostgresServer>
{
    [Fact]
    public async Task Each_live_task_of_a_busy_town_is_in_exactly_one_place()
    {
        var deadline = Deadline.Of(TimeSpan.FromSeconds(60));
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var seed = new Seed(database);
        var random = new Random(4);
        Guid[] agents = [.. await Task.WhenAll(Enumerable.Range(0, 6).Select(i => seed.AgentAsync($"a{i}", deadline, concurrency: 1 + i, attempts: 3)))];
        var worker = await seed.WorkerAsync(deadline);
        var later = TimeProvider.System.GetUtcNow().UtcDateTime.AddHours(1);
        string[] outcomes = ["completed", "failed", "cancelled", "released"];
        string[] controls = ["active", "active", "active", "paused", "draining", "stopped", "error"];
        var seen = new HashSet<string>();
        for (var round = 0; round < 40; round++)
        {
            var agent = agents[random.Next(agents.Length)];
            await database.ExecuteAsync("UPDATE agent SET control = 'active'", deadline);
            await seed.TasksAsync(
                agent, random.Next(1, 6), deadline, random.Next(4) == 0 ? later : null, random.Next(-2, 3), random.Next(3) == 0 ? "key" : null,
                random.Next(4) == 0 ? "rate" : null);
            await seed.Reaping.SweepAsync(deadline);
            var leases = await seed.ClaimAsync(worker, 8, deadline, agents);
            await database.ExecuteAsync(
                $"UPDATE agent SET control = '{controls[random.Next(controls.Length)]}' WHERE id = '{agents[random.Next(agents.Length)]}'", deadline);
            await database.ExecuteAsync(
                $"UPDATE task SET state = 'pending', agent_id = NULL WHERE id = (SELECT id FROM task WHERE state = 'assigned' AND parked IS NULL ORDER BY random() LIMIT {random.Next(2)})",
                deadline);
            await EveryTaskStandsAsync();

            // Some leases end, and some workers are never heard of again.
            await seed.Settling.SettleAsync(
                [.. leases.Where(_ => random.Next(3) > 0).Select(lease => Seed.End(worker, lease, outcomes[random.Next(4)], exit: 1))], deadline);
            await database.ExecuteAsync("UPDATE task SET available_at = now() + interval '1 hour' WHERE NOT due AND parked IS NULL", deadline);
            await database.ExecuteAsync(
                $"UPDATE task SET lease_until = now() - interval '1 s' WHERE id = (SELECT id FROM task WHERE state = 'running' ORDER BY random() LIMIT {random.Next(2)})", deadline);
            await seed.Reaping.ExpireAsync(deadline);
            await seed.Reaping.SweepAsync(deadline);
            await EveryTaskStandsAsync();
        }

        Assert.Equal(["claimable", "delayed", "leased", "paused", "waiting"], seen.Order());

        // What has just run out or come due is in no place until the next look: the query says so instead of guessing.
        await database.ExecuteAsync("UPDATE agent SET control = 'active'; UPDATE task SET lease_until = now() - interval '1 s' WHERE state = 'running'", deadline);
        Assert.True(await database.ScalarAsync<bool>("SELECT bool_and(standings = '{}') FROM task_standing WHERE state = 'running'", deadline));

        async Task EveryTaskStandsAsync()
        {
            // As the services' role: an operator's read needs no more.
            await using var command = database.App.CreateCommand(
                "SELECT cardinality(standings), coalesce(standings[1], state || ' in no place'), count(*) FROM task_standing GROUP BY 1, 2");
            await using var row = await command.ExecuteReaderAsync(deadline);
            while (await row.ReadAsync(deadline))
            {
                Assert.True(row.GetInt32(0) == 1, $"{row.GetInt64(2)} tasks are in {row.GetInt32(0)} places: {row.GetString(1)}");
                seen.Add(row.GetString(1));
            }
        }
    }
}
