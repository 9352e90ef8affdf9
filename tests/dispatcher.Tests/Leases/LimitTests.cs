using System.Globalization;
using Townhall.Contracts.Workers;
using Townhall.Testing;

namespace Townhall.Dispatcher.Tests.Leases;

public sealed class LimitTests(PostgresServer postgres) : IClassFixture<PostgresServer>
{
    [Fact]
    public async Task A_key_that_nobody_configured_is_held_by_one_task_at_a_time_in_the_order_of_their_ranks()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var seed = new Seed(database);
        var one = await seed.AgentAsync("one", deadline, concurrency: 8);
        var two = await seed.AgentAsync("two", deadline, concurrency: 8);
        Guid[] tasks = [.. await seed.TasksAsync(one, 3, deadline, key: "repo"), .. await seed.TasksAsync(two, 3, deadline, key: "repo")];
        var free = await seed.TasksAsync(two, 1, deadline);
        var worker = await seed.WorkerAsync(deadline);
        var order = new List<Guid>();
        Lease? held = null;
        while (order.Count < tasks.Length)
        {
            var leases = await seed.ClaimAsync(worker, 16, deadline, one, two);
            Assert.InRange(leases.Count(lease => lease.TaskId != free[0]), 0, held is null ? 1 : 0);
            if (leases.Find(lease => lease.TaskId != free[0]) is { } lease)
            {
                held = lease;
                order.Add(lease.TaskId);
            }
            else if (held is not null)
            {
                await seed.Settling.SettleAsync([Seed.End(worker, held)], deadline);
                held = null;
                Assert.Single(await seed.Reaping.AdmitAsync(["repo"], deadline), agent => agent == one || agent == two);
            }

            await seed.HoldsAsync(deadline);
        }

        Assert.Equal(tasks, order);
    }

    [Fact]
    public async Task Claims_at_once_never_exceed_a_key_whoever_runs_them()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var seed = new Seed(database);
        await database.ExecuteAsync($"INSERT INTO limit_key (town, key, max_concurrency, configured) VALUES ('{database.Town}', 'api', 3, true)", deadline);
        var agents = await Task.WhenAll(Enumerable.Range(0, 6).Select(i => seed.AgentAsync($"a{i}", deadline, concurrency: 4)));
        foreach (var agent in agents)
        {
            await seed.TasksAsync(agent, 5, deadline, key: "api");
        }

        // As if every guess had been wrong: only the claims stand between the key and too much.
        await database.ExecuteAsync("UPDATE task SET due = true, parked = NULL, parked_at = NULL WHERE parked IS NOT NULL", deadline);
        var workers = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => seed.WorkerAsync(deadline)));
        var done = 0;
        while (done < 30)
        {
            var claims = await Task.WhenAll(workers.Select(worker => seed.ClaimAsync(worker, 8, deadline, agents)));
            Assert.Equal("true", await database.ScalarAsync<string>("SELECT (count(*) <= 3)::text FROM task WHERE state = 'running'", deadline));
            foreach (var (worker, lease) in workers.Zip(claims).SelectMany(pair => pair.Second.Select(lease => (pair.First, lease))))
            {
                await seed.Settling.SettleAsync([Seed.End(worker, lease)], deadline);
                done++;
            }

            await seed.Reaping.AdmitAsync(null, deadline);
            await seed.HoldsAsync(deadline);
        }
    }

    [Fact]
    public async Task A_permit_comes_back_with_the_end_of_its_lease_however_it_ends()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var seed = new Seed(database);
        var agent = await seed.AgentAsync("a", deadline, concurrency: 8, attempts: 3);
        await seed.TasksAsync(agent, 1, deadline, key: "k");
        var worker = await seed.WorkerAsync(deadline);

        foreach (var outcome in new[] { AttemptOutcomes.Released, AttemptOutcomes.Failed })
        {
            var lease = Assert.Single(await seed.ClaimAsync(worker, 8, deadline, agent));
            await seed.Settling.SettleAsync([Seed.End(worker, lease, outcome, exit: 1)], deadline);
            await database.ExecuteAsync("UPDATE task SET due = true, available_at = now() WHERE NOT due", deadline);
            await seed.HoldsAsync(deadline);
        }

        Assert.Single(await seed.ClaimAsync(worker, 8, deadline, agent));
        await database.ExecuteAsync("UPDATE task SET lease_until = now() - interval '1 s'", deadline);
        Assert.Single(await seed.Reaping.ExpireAsync(deadline));
        Assert.Equal("0", await database.ScalarAsync<string>("SELECT held::text FROM limit_key WHERE key = 'k'", deadline));
        Assert.Single(await seed.ClaimAsync(worker, 8, deadline, agent));
        await seed.HoldsAsync(deadline);
    }

    [Fact]
    public async Task A_rate_lets_its_burst_start_and_then_one_with_each_token()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var seed = new Seed(database);
        await database.ExecuteAsync(
            $"INSERT INTO limit_key (town, key, max_concurrency, rate_per_minute, burst, tokens, configured) VALUES ('{database.Town}', 'llm', NULL, 1, 2, 2, true)", deadline);
        var agent = await seed.AgentAsync("a", deadline, concurrency: 8);
        await seed.TasksAsync(agent, 5, deadline, rateKey: "llm");
        var worker = await seed.WorkerAsync(deadline);

        Assert.Equal(2, (await seed.ClaimAsync(worker, 8, deadline, agent)).Count);
        Assert.Equal("3", await database.ScalarAsync<string>("SELECT count(*)::text FROM task WHERE parked = 'rate'", deadline));
        Assert.Empty(await seed.Reaping.AdmitAsync(null, deadline));

        await database.ExecuteAsync("UPDATE limit_key SET refilled_at = refilled_at - interval '1 min'", deadline);
        Assert.Single(await seed.Reaping.AdmitAsync(null, deadline));
        Assert.Single(await seed.ClaimAsync(worker, 8, deadline, agent));
        await seed.HoldsAsync(deadline);
    }

    [Fact]
    public async Task The_town_never_runs_more_than_its_limit_and_says_that_it_is_full()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var seed = new Seed(database);
        await database.ExecuteAsync($"INSERT INTO limit_key (town, key, max_concurrency, configured) VALUES ('{database.Town}', 'town', 5, true)", deadline);
        var agents = await Task.WhenAll(Enumerable.Range(0, 4).Select(i => seed.AgentAsync($"a{i}", deadline, concurrency: 4)));
        foreach (var agent in agents)
        {
            await seed.TasksAsync(agent, 4, deadline);
        }

        var workers = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => seed.WorkerAsync(deadline)));
        var claims = await Task.WhenAll(workers.Select((worker, i) => seed.ClaimAsync(worker, 4, deadline, agents[i])));
        Assert.Equal(5, claims.Sum(static claim => claim.Count));
        var full = await seed.Leases.ClaimAsync(
            workers[0].Id, Guid.NewGuid(), workers[0].Runtimes, [.. agents.Select(static agent => new Dispatcher.Leases.Turn(agent, 4))], 4, deadline);
        Assert.Equal((0, true), (full.Leases.Count, full.TownFull));
        await seed.HoldsAsync(deadline);
    }

    [Fact]
    public async Task Lower_priority_is_overtaken_only_for_its_minutes()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var seed = new Seed(database);
        var agent = await seed.AgentAsync("a", deadline);
        var old = await seed.TasksAsync(agent, 1, deadline);
        // Accepted eleven minutes ago: a task ten steps above it that comes now is too late to overtake it.
        await database.ExecuteAsync(string.Create(CultureInfo.InvariantCulture, $"UPDATE task SET rank = rank - {11 * 60_000}"), deadline);
        var urgent = await seed.TasksAsync(agent, 1, deadline, priority: 10);
        var worker = await seed.WorkerAsync(deadline);

        var first = Assert.Single(await seed.ClaimAsync(worker, 1, deadline, agent));
        Assert.Equal(old[0], first.TaskId);
        await seed.Settling.SettleAsync([Seed.End(worker, first)], deadline);
        Assert.Equal(urgent[0], Assert.Single(await seed.ClaimAsync(worker, 1, deadline, agent)).TaskId);
    }

    [Fact]
    public async Task A_deadline_ends_what_waits_and_withdraws_what_runs()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var seed = new Seed(database);
        var agent = await seed.AgentAsync("a", deadline, attempts: 5);
        var later = TimeProvider.System.GetUtcNow().UtcDateTime.AddHours(1);
        var tasks = await seed.TasksAsync(agent, 2, deadline, endsBy: later);
        var worker = await seed.WorkerAsync(deadline);
        var running = Assert.Single(await seed.ClaimAsync(worker, 1, deadline, agent));

        await database.ExecuteAsync("UPDATE task SET deadline = now() - interval '1 ms'", deadline);
        Assert.Equal([running.TaskId], await seed.Reaping.ExpireDeadlinesAsync(deadline));
        Assert.Equal("failed deadline_exceeded", await database.ScalarAsync<string>($"SELECT state || ' ' || failure_code FROM task_history WHERE id = '{tasks[1]}'", deadline));
        Assert.Empty(await seed.Reaping.ExpireDeadlinesAsync(deadline));

        await seed.Settling.SettleAsync([Seed.End(worker, running, AttemptOutcomes.Cancelled, exit: null)], deadline);
        Assert.Equal("failed deadline_exceeded", await database.ScalarAsync<string>($"SELECT state || ' ' || failure_code FROM task_history WHERE id = '{running.TaskId}'", deadline));
        await seed.HoldsAsync(deadline);
    }

    [Fact]
    public async Task What_is_parked_at_acceptance_starts_as_soon_as_its_key_is_free()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var seed = new Seed(database);
        var agent = await seed.AgentAsync("a", deadline, concurrency: 8);
        await seed.TasksAsync(agent, 400, deadline, key: "k");

        // One may start; the others do not lie in the way of claims.
        Assert.Equal("1 399", await database.ScalarAsync<string>(
            "SELECT count(*) FILTER (WHERE due) || ' ' || count(*) FILTER (WHERE parked = 'concurrency') FROM task", deadline));
        Assert.Empty(await seed.Reaping.AdmitAsync(null, deadline));
        await database.ExecuteAsync("UPDATE limit_key SET max_concurrency = 5", deadline);
        Assert.Equal(4, (await seed.Reaping.AdmitAsync(null, deadline)).Count);
    }
}
