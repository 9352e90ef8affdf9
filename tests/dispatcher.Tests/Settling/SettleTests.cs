using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Townhall.Contracts.Tasks;
using Townhall.Contracts.Workers;
using Townhall.Testing;

namespace Townhall.Dispatcher.Tests.Settling;

public sealed class SettleTests(PostgresServer postgres) : IClassFixture<PostgresServer>
{
    [Fact]
    public async Task A_result_is_recorded_once_and_a_repeat_gets_the_same_answer()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var (seed, agent, worker) = await TownAsync(database, deadline);
        await seed.TasksAsync(agent, 1, deadline);
        var lease = Assert.Single(await seed.ClaimAsync(worker, 1, deadline, agent));
        var end = Seed.End(worker, lease);
        Assert.Equal("recorded", (await seed.Settling.SettleAsync([end], deadline))[0].Verdict);
        Assert.Equal("recorded", (await seed.Settling.SettleAsync([end], deadline))[0].Verdict);
        Assert.Equal(1L, await database.ScalarAsync<long>("SELECT count(*) FROM task_history WHERE state = 'completed' AND result = 'done'", deadline));
        Assert.Equal(0L, await database.ScalarAsync<long>("SELECT count(*) FROM task", deadline));
        await seed.HoldsAsync(deadline);
    }

    [Fact]
    public async Task A_failing_task_is_tried_as_often_as_allowed_and_then_failed()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var seed = new Seed(database);
        var agent = await seed.AgentAsync("a", deadline, attempts: 3);
        var worker = await seed.WorkerAsync(deadline);
        await seed.TasksAsync(agent, 1, deadline);
        var verdicts = new List<string>();
        for (var attempt = 1; attempt <= 3; attempt++)
        {
            await database.ExecuteAsync("UPDATE task SET due = true, available_at = now()", deadline);
            var lease = Assert.Single(await seed.ClaimAsync(worker, 1, deadline, agent));
            Assert.Equal(attempt, lease.Epoch);
            var end = Seed.End(worker, lease, "failed", exit: 1);
            verdicts.Add((await seed.Settling.SettleAsync([end], deadline))[0].Verdict);
            Assert.Equal(verdicts[^1], (await seed.Settling.SettleAsync([end], deadline))[0].Verdict);
            await seed.HoldsAsync(deadline);
        }

        Assert.Equal(["retrying", "retrying", "recorded"], verdicts);
        Assert.Equal("failed|1|exit_code|3", await database.ScalarAsync<string>(
            "SELECT state || '|' || exit_code || '|' || failure_code || '|' || failures FROM task_history", deadline));
    }

    [Fact]
    public async Task A_released_task_is_offered_again_at_once_and_costs_no_attempt()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var (seed, agent, worker) = await TownAsync(database, deadline);
        await seed.TasksAsync(agent, 1, deadline);
        var lease = Assert.Single(await seed.ClaimAsync(worker, 1, deadline, agent));
        Assert.Equal("released", (await seed.Settling.SettleAsync([Seed.End(worker, lease, "released", exit: null)], deadline))[0].Verdict);
        var again = Assert.Single(await seed.ClaimAsync(worker, 1, deadline, agent));
        Assert.Equal(2, again.Epoch);
        Assert.Equal("recorded", (await seed.Settling.SettleAsync([Seed.End(worker, again)], deadline))[0].Verdict);
        await seed.HoldsAsync(deadline);
    }

    [Fact]
    public async Task A_task_that_workers_give_back_again_and_again_is_dead_with_evidence()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var (seed, agent, worker) = await TownAsync(database, deadline);
        await seed.TasksAsync(agent, 1, deadline);
        for (var release = 1; release <= TaskLimits.Releases; release++)
        {
            var lease = Assert.Single(await seed.ClaimAsync(worker, 1, deadline, agent));
            Assert.Equal("released", (await seed.Settling.SettleAsync([Seed.End(worker, lease, "released", exit: null)], deadline))[0].Verdict);
        }

        var last = Seed.End(worker, Assert.Single(await seed.ClaimAsync(worker, 1, deadline, agent)), "released", exit: null);
        Assert.Equal("recorded", (await seed.Settling.SettleAsync([last], deadline))[0].Verdict);
        Assert.Equal("recorded", (await seed.Settling.SettleAsync([last], deadline))[0].Verdict);
        Assert.Empty(await seed.ClaimAsync(worker, 1, deadline, agent));
        Assert.Equal($"dead|released_too_often|{TaskLimits.Releases + 1}", await database.ScalarAsync<string>(
            "SELECT state || '|' || failure_code || '|' || attempt FROM task_history", deadline));
        await seed.HoldsAsync(deadline);
    }

    /// <summary>Failures, losses and releases in every mixture: starts have a bound, whatever happens.</summary>
    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 3)]
    [InlineData(3, 5)]
    public async Task Starts_are_bounded_whatever_becomes_of_the_attempts(int seedOfChance, int attempts)
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var seed = new Seed(database);
        var agent = await seed.AgentAsync("a", deadline, concurrency: 20, attempts: attempts);
        var worker = await seed.WorkerAsync(deadline);
        await seed.TasksAsync(agent, 20, deadline);
        var random = new Random(seedOfChance);
        while (await database.ScalarAsync<long>("SELECT count(*) FROM task", deadline) > 0)
        {
            await database.ExecuteAsync("UPDATE task SET due = true, available_at = now() WHERE NOT due", deadline);
            foreach (var lease in await seed.ClaimAsync(worker, 20, deadline, agent))
            {
                switch (random.Next(10))
                {
                    case 0:
                        await database.ExecuteAsync($"UPDATE task SET lease_until = now() - interval '1 s' WHERE id = '{lease.TaskId}'", deadline);
                        await seed.Reaping.ExpireAsync(deadline);
                        break;
                    case 1:
                        await seed.Settling.SettleAsync([Seed.End(worker, lease, "failed", exit: 1)], deadline);
                        break;
                    default:
                        await seed.Settling.SettleAsync([Seed.End(worker, lease, "released", exit: null)], deadline);
                        break;
                }
            }
        }

        var most = await database.ScalarAsync<int>("SELECT max(attempt) FROM task_history", deadline);
        Assert.InRange(most, 2, attempts + TaskLimits.Crashes + TaskLimits.Releases);
        await seed.HoldsAsync(deadline);
    }

    [Fact]
    public async Task Pauses_before_retries_double_up_to_five_minutes_and_fill_their_whole_span()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var seed = new Seed(database);
        const int Tasks = 120;
        var agent = await seed.AgentAsync("a", deadline, concurrency: Tasks, attempts: 100);
        var worker = await seed.WorkerAsync(deadline, slots: Tasks);
        await seed.TasksAsync(agent, Tasks, deadline);
        foreach (var failures in (int[])[0, 1, 3, 8, 9, 30])
        {
            await database.ExecuteAsync($"UPDATE task SET due = true, available_at = now(), failures = {failures}", deadline);
            var leases = await seed.ClaimAsync(worker, Tasks, deadline, agent);
            Assert.Equal(Tasks, leases.Count);
            var before = await database.ScalarAsync<DateTime>("SELECT clock_timestamp()", deadline);
            await seed.Settling.SettleAsync([.. leases.Select(lease => Seed.End(worker, lease, "failed", exit: 1))], deadline);
            var after = await database.ScalarAsync<DateTime>("SELECT clock_timestamp()", deadline);
            var bound = TimeSpan.FromSeconds(Math.Min(300, Math.Pow(2, failures)));
            var least = await database.ScalarAsync<DateTime>("SELECT min(available_at) FROM task", deadline);
            var most = await database.ScalarAsync<DateTime>("SELECT max(available_at) FROM task", deadline);

            // Full jitter: of 120 draws over the whole span, one lies in its first and one in its last quarter.
            Assert.InRange(least, before, after + (bound / 4));
            Assert.InRange(most, before + (bound * 0.75), after + bound);
            Assert.Equal((long)Tasks, await database.ScalarAsync<long>("SELECT count(DISTINCT available_at) FROM task", deadline));
        }
    }

    [Fact]
    public async Task A_result_of_a_replaced_attempt_changes_nothing_and_is_kept_as_evidence()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var (seed, agent, worker) = await TownAsync(database, deadline);
        await seed.TasksAsync(agent, 1, deadline);
        var old = Assert.Single(await seed.ClaimAsync(worker, 1, deadline, agent));
        await ExpireAsync(database, seed, deadline);
        var other = await seed.WorkerAsync(deadline);
        var current = Assert.Single(await seed.ClaimAsync(other, 1, deadline, agent));

        Assert.Equal("lost", (await seed.Leases.RenewAsync(worker.Id, [Ref(old)], deadline))[0].Verdict);
        Assert.Equal("stale", (await seed.Settling.SettleAsync([Seed.End(worker, old)], deadline))[0].Verdict);
        Assert.Equal("held", (await seed.Leases.RenewAsync(other.Id, [Ref(current)], deadline))[0].Verdict);
        Assert.Equal("recorded", (await seed.Settling.SettleAsync([Seed.End(other, current)], deadline))[0].Verdict);
        // What it claimed can be told from the ledger, and compared with what its worker still has.
        using var evidence = JsonDocument.Parse((await database.ScalarAsync<string>("SELECT detail FROM ledger_pending WHERE action = 'ResultRefused'", deadline))!);
        var (reported, sent) = (evidence.RootElement, Seed.End(worker, old).Result);
        Assert.Equal((1, sent.Outcome, sent.ExitCode, sent.ResultBytes), (reported.GetProperty("attempt").GetInt32(), reported.GetProperty("reported").GetString(),
            reported.GetProperty("exit_code").GetInt32(), reported.GetProperty("result_bytes").GetInt64()));
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(sent.Result!))), reported.GetProperty("result_sha256").GetString());
        Assert.Equal(2, await database.ScalarAsync<int>("SELECT attempt FROM task_history", deadline));
        await seed.HoldsAsync(deadline);
    }

    [Fact]
    public async Task A_late_result_counts_as_long_as_no_newer_attempt_was_leased()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var (seed, agent, worker) = await TownAsync(database, deadline);
        await seed.TasksAsync(agent, 1, deadline);
        var lease = Assert.Single(await seed.ClaimAsync(worker, 1, deadline, agent));
        await ExpireAsync(database, seed, deadline);
        Assert.Equal("recorded", (await seed.Settling.SettleAsync([Seed.End(worker, lease)], deadline))[0].Verdict);
        Assert.Empty(await seed.ClaimAsync(worker, 1, deadline, agent));
        await seed.HoldsAsync(deadline);
    }

    [Fact]
    public async Task A_late_release_changes_nothing()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var (seed, agent, worker) = await TownAsync(database, deadline);
        await seed.TasksAsync(agent, 1, deadline);
        var lease = Assert.Single(await seed.ClaimAsync(worker, 1, deadline, agent));
        await ExpireAsync(database, seed, deadline);
        Assert.Equal("stale", (await seed.Settling.SettleAsync([Seed.End(worker, lease, "released")], deadline))[0].Verdict);
        Assert.Equal(0L, await database.ScalarAsync<long>("SELECT count(*) FROM ledger_pending WHERE action = 'TaskReleased'", deadline));
        Assert.Equal(2, Assert.Single(await seed.ClaimAsync(worker, 1, deadline, agent)).Epoch);
        await seed.HoldsAsync(deadline);
    }

    [Fact]
    public async Task Another_worker_cannot_settle_or_renew_a_lease_that_is_not_its_own()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var (seed, agent, worker) = await TownAsync(database, deadline);
        await seed.TasksAsync(agent, 1, deadline);
        var lease = Assert.Single(await seed.ClaimAsync(worker, 1, deadline, agent));
        var thief = await seed.WorkerAsync(deadline);
        Assert.Equal("stale", (await seed.Settling.SettleAsync([Seed.End(thief, lease)], deadline))[0].Verdict);
        Assert.Equal("lost", (await seed.Leases.RenewAsync(thief.Id, [Ref(lease)], deadline))[0].Verdict);
        Assert.Equal(1L, await database.ScalarAsync<long>("SELECT count(*) FROM task WHERE state = 'running'", deadline));
        await seed.HoldsAsync(deadline);
    }

    [Fact]
    public async Task A_task_whose_workers_are_lost_three_times_is_dead_with_evidence()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var (seed, agent, worker) = await TownAsync(database, deadline);
        await seed.TasksAsync(agent, 1, deadline);
        for (var i = 0; i < 3; i++)
        {
            Assert.Single(await seed.ClaimAsync(worker, 1, deadline, agent));
            await ExpireAsync(database, seed, deadline);
            await seed.HoldsAsync(deadline);
        }

        Assert.Empty(await seed.ClaimAsync(worker, 1, deadline, agent));
        Assert.Equal("dead|workers_lost|3", await database.ScalarAsync<string>(
            "SELECT state || '|' || failure_code || '|' || crashes FROM task_history", deadline));
    }

    [Fact]
    public async Task The_last_chance_of_a_task_is_had_alone_so_that_nobody_dies_with_a_poison()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var (seed, agent, worker) = await TownAsync(database, deadline, concurrency: 8);
        var ids = await seed.TasksAsync(agent, 3, deadline);
        var duties = new Duties.DutyStores(database, seed.Town);
        for (var i = 0; i < 2; i++)
        {
            // Lost together, they start together again: any of them may be the poison.
            Assert.Equal(3, (await seed.ClaimAsync(worker, 8, deadline, agent)).Count);
            await database.ExecuteAsync("UPDATE task SET lease_until = now() - interval '1 second' WHERE state = 'running'", deadline);
            Assert.Equal(3, (await duties.Reaper.ExpireAsync(deadline)).Count);
        }

        var last = Assert.Single(await seed.ClaimAsync(worker, 8, deadline, agent));
        Assert.Equal((ids[0], true), (last.TaskId, last.Alone));

        // Whoever holds something does not get one, and it is out of the way until a worker is empty.
        Assert.Empty(await seed.ClaimAsync(worker, 8, deadline, agent));
        Assert.Equal(2L, await database.ScalarAsync<long>("SELECT count(*) FROM task WHERE parked = 'alone'", deadline));
        Assert.Empty(await duties.Reaper.SweepAsync(deadline));
        var other = await seed.WorkerAsync(deadline);
        Assert.Equal([agent], await duties.Reaper.SweepAsync(deadline));
        var second = Assert.Single(await seed.ClaimAsync(other, 8, deadline, agent));
        Assert.True(second.Alone);

        // A minute later it starts beside what runs: nobody waits for ever.
        await seed.ClaimAsync(other, 8, deadline, agent);
        await database.ExecuteAsync("UPDATE task SET available_at = now() - interval '61 s' WHERE state = 'assigned'", deadline);
        Assert.Equal([agent], await duties.Reaper.SweepAsync(deadline));
        Assert.True(Assert.Single(await seed.ClaimAsync(other, 8, deadline, agent)).Alone);
        await seed.HoldsAsync(deadline);
    }

    [Fact]
    public async Task A_process_that_comes_under_the_id_of_a_living_one_is_refused_and_changes_nothing()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var (seed, _, worker) = await TownAsync(database, deadline);
        var twin = new RegisterRequest(Guid.NewGuid(), worker.Id.Value, "w", "there", 1, "1", ["noop"], 1, "none");
        Assert.False(await seed.Workers.RegisterAsync(twin, new byte[32], deadline));
        Assert.Equal("here", await database.ScalarAsync<string>("SELECT host FROM worker WHERE token_hash <> decode(repeat('00', 32), 'hex')", deadline));

        // Its own repeat, whose first answer was lost, gets a new token.
        Assert.True(await seed.Workers.RegisterAsync(twin with { Host = "here" }, new byte[32], deadline));
        await database.ExecuteAsync("UPDATE worker SET state = 'lost', ended_at = now()", deadline);
        Assert.False(await seed.Workers.RegisterAsync(twin with { Host = "here" }, new byte[32], deadline));
    }

    private static LeaseRef Ref(Lease lease) => new(lease.TaskId, lease.Epoch, lease.Token);

    private static async Task<(Seed Seed, Guid Agent, Dispatcher.Workers.KnownWorker Worker)> TownAsync(
        TestDatabase database, CancellationToken deadline, int concurrency = 1)
    {
        var seed = new Seed(database);
        return (seed, await seed.AgentAsync("a", deadline, concurrency: concurrency), await seed.WorkerAsync(deadline));
    }

    private static async Task ExpireAsync(TestDatabase database, Seed seed, CancellationToken deadline)
    {
        await database.ExecuteAsync("UPDATE task SET lease_until = now() - interval '1 second' WHERE state = 'running'", deadline);
        Assert.Single(await new Duties.DutyStores(database, seed.Town).Reaper.ExpireAsync(deadline));
    }
}
