using System.Text.Json;
using Townhall.Contracts.Workers;
using Townhall.Delivery.Tests.Town;
using Townhall.Faults;
using Townhall.Testing;

namespace Townhall.Delivery.Tests.Redis;

/// <summary>Redis emptied, put back to an older state, and away: it costs time at most, and bounded time.</summary>
public sealed class RedisIsACacheTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task After_FLUSHALL_all_claimable_tasks_are_offered_within_two_looks_and_end_once(bool streams)
    {
        var deadline = Deadline.Of(TimeSpan.FromSeconds(60));
        await using var town = await MeasuredTown.StartAsync(new(Workers: 0, Lease: 30), deadline, streams);
        var agents = await town.Parts.AgentsAsync(8, deadline, fake: false, concurrency: 40);
        using var worker = await WorkerByHand.RegisterAsync(town, deadline, slots: 400);
        const int Tasks = 240;
        await Task.WhenAll(Enumerable.Range(0, 8).Select(async i =>
        {
            for (var n = i; n < Tasks; n += 8)
            {
                await town.AssignAsync(agents[i], "x", deadline);
            }
        }));

        // A first claim: what is to come is chosen ahead by then, and stands in Redis.
        var leases = new List<Lease>(await worker.LeaseAsync(8, deadline));
        var flushed = await town.NowAsync(deadline);
        Assert.StartsWith("+OK", await town.Parts.Redis.CommandAsync(deadline, "FLUSHALL"), StringComparison.Ordinal);
        while (leases.Count < Tasks)
        {
            leases.AddRange(await worker.LeaseAsync(64, deadline));
        }

        var last = await town.ScalarAsync<DateTime>("SELECT max(leased_at) FROM task", deadline);
        Assert.InRange(last - flushed, TimeSpan.Zero, 2 * MeasuredTown.Look * ProcessTable.Stretch());
        Assert.Equal(Tasks, leases.Select(static lease => lease.TaskId).Distinct().Count());
        Assert.Equal(200, (await worker.SettleAsync(AttemptOutcomes.Completed, [.. leases], deadline)).Status);
        await town.Parts.QuietAsync(deadline);
        Assert.Equal(Tasks, await town.ScalarAsync<long>("SELECT count(*) FROM task_history WHERE state = 'completed' AND attempt = 1", deadline));
        Assert.Equal(Tasks, await town.EntriesAsync("TaskCompleted", deadline));
    }

    [Fact]
    public async Task A_Redis_that_comes_back_with_an_older_state_repeats_no_attempt_and_no_epoch()
    {
        var deadline = Deadline.Of(TimeSpan.FromSeconds(60));
        var folders = Directory.CreateTempSubdirectory("townhall-old-redis-");
        var (now, old) = (folders.CreateSubdirectory("now").FullName, Path.Combine(folders.FullName, "old"));
        try
        {
            await using var redis = await RedisInstance.StartAsync(deadline, now);
            await using var town = await MeasuredTown.StartAsync(new(Workers: 0, Lease: 30), deadline, streams: true, redis);
            var agents = await town.Parts.AgentsAsync(4, deadline, fake: false, concurrency: 16);
            using var worker = await WorkerByHand.RegisterAsync(town, deadline);
            var tasks = new List<Guid>();
            for (var i = 0; i < 40; i++)
            {
                tasks.Add(await town.AssignAsync(agents[i % 4], "x", deadline));
            }

            // A moment in which the stream holds what was chosen ahead: all of that state is old soon.
            var leases = new List<Lease>();
            do
            {
                leases.AddRange(await worker.LeaseAsync(2, deadline));
            }
            while (await redis.CommandAsync(deadline, "XLEN", $"town:{town.Parts.Database.Town}:startable") == ":0\r\n");
            await redis.StopAsync(deadline);
            Copy(now, old);
            await redis.StartAgainAsync(deadline);

            // Epochs move on: what was leased is given back and leased again, and half of it ends.
            await GiveBackAsync(leases);
            var second = await LeaseAsync(20);
            second.Sort(static (one, other) => one.Epoch.CompareTo(other.Epoch));
            await worker.SettleAsync(AttemptOutcomes.Completed, [.. second.Take(10)], deadline);
            await GiveBackAsync(second.Skip(10));

            await redis.StopAsync(deadline);
            Directory.Delete(now, recursive: true);
            Copy(old, now);
            await redis.StartAgainAsync(deadline);
            Assert.NotEqual(":0\r\n", await redis.CommandAsync(deadline, "DBSIZE"));

            var third = await LeaseAsync(30);
            await worker.SettleAsync(AttemptOutcomes.Completed, [.. third], deadline);
            await town.Parts.QuietAsync(deadline);

            // Each task's epochs are 1, 2, … without a gap or a repeat, and the last one is the row's.
            foreach (var task in leases.GroupBy(static lease => lease.TaskId))
            {
                Assert.Equal(Enumerable.Range(1, task.Count()), task.Select(static lease => lease.Epoch));
                Assert.Equal(task.Count(), await town.ScalarAsync<int>($"SELECT attempt FROM task_history WHERE id = '{task.Key}'", deadline));
            }

            Assert.Equal(tasks.Order(), leases.Select(static lease => lease.TaskId).Distinct().Order());
            Assert.Contains(leases, static lease => lease.Epoch >= 3);

            Task GiveBackAsync(IEnumerable<Lease> some) => worker.SettleAsync(AttemptOutcomes.Released, [.. some], deadline);

            async Task<List<Lease>> LeaseAsync(int count)
            {
                var given = new List<Lease>();
                while (given.Count < count)
                {
                    given.AddRange(await worker.LeaseAsync(count - given.Count, deadline));
                }

                leases.AddRange(given);
                return given;
            }
        }
        finally
        {
            folders.Delete(recursive: true);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task With_Redis_away_readiness_says_so_liveness_stays_green_and_work_goes_on(bool streams)
    {
        var deadline = Deadline.Of(TimeSpan.FromSeconds(60));
        await using var redis = await RedisInstance.StartAsync(deadline);
        await using var town = await MeasuredTown.StartAsync(new(Workers: 1), deadline, streams, redis);
        var agent = await town.AgentAsync(deadline, fake: false, concurrency: 8);
        await ReadyIsAsync(200, "connected");

        await redis.StopAsync(deadline);
        var told = await ReadyIsAsync(503, "disconnected");
        Assert.Equal("connected", told.GetProperty("database").GetString());
        Assert.Contains("Redis", told.GetProperty("detail").GetString(), StringComparison.Ordinal);
        foreach (var (port, path) in ((int, string)[])
        [
            (town.Parts.Townhall.Port, "/health"), (town.Parts.Townhall.Port, "/healthz"), (town.Parts.Townhall.Port, "/internal/live"),
            (town.Parts.Townhall.Port, "/internal/ready"), (town.Parts.Dispatchers[0].Port, "/internal/live"), (town.Parts.Dispatchers[0].Port, "/internal/ready"),
        ])
        {
            using var answer = await town.Parts.Client.Http.GetAsync(new Uri($"http://127.0.0.1:{port}{path}"), deadline);
            Assert.True(answer.IsSuccessStatusCode, $"{path} answered {answer.StatusCode} while only Redis was away");
        }

        // Found by the looks instead of by rings.
        for (var i = 0; i < 20; i++)
        {
            await town.AssignAsync(agent, "x", deadline);
        }

        await town.Parts.QuietAsync(deadline);
        Assert.Equal(20, await town.ScalarAsync<long>("SELECT count(*) FROM task_history WHERE state = 'completed'", deadline));

        await redis.StartAgainAsync(deadline);
        await ReadyIsAsync(200, "connected");
        Assert.Equal("completed", await town.Parts.EndedAsync(await town.AssignAsync(agent, "x", deadline), deadline));

        async Task<JsonElement> ReadyIsAsync(int status, string state)
        {
            var seen = await Eventually.Is(
                () => town.SendAsync(HttpMethod.Get, "/ready", null, deadline), one => one.Status == status, deadline, $"/ready to answer {status}");
            Assert.Equal(state, seen.Body.GetProperty("redis").GetString());
            return seen.Body;
        }
    }

    private static void Copy(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (var file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
        {
            var target = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target, overwrite: true);
        }
    }
}
