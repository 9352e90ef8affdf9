using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using StackExchange.Redis;
using Townhall.Contracts.Workers;
using Townhall.Dispatcher.Queues;
using Townhall.ServiceDefaults.Redis;
using Townhall.Testing;

namespace Townhall.Dispatcher.Tests.Queues;

/// <summary>What both queues promise.</summary>
public abstract class QueueTests(PostgresServer postgres)
{
    private protected abstract Func<QueueTown.Parts, IWorkQueue> Make { get; }

    [Fact]
    public async Task Everything_is_given_once_and_within_all_limits()
    {
        await RunAsync(async (town, _, deadline) =>
        {
            var accepted = new List<Guid>();
            for (var i = 0; i < 8; i++)
            {
                var agent = await town.Seed.AgentAsync($"a{i}", deadline, concurrency: 1 + (i % 3));
                accepted.AddRange(await town.Seed.TasksAsync(agent, 15, deadline, key: i < 2 ? "shared" : null));
            }

            await town.DrainAsync(await town.Seed.WorkerAsync(deadline), 120, deadline);
            Assert.Equal(accepted.Order(), town.Given.Order());
        });
    }

    [Fact]
    public async Task Work_of_one_agent_starts_in_the_order_of_its_ranks()
    {
        await RunAsync(async (town, _, deadline) =>
        {
            var agent = await town.Seed.AgentAsync("a", deadline);
            Guid[] tasks = [.. await town.Seed.TasksAsync(agent, 5, deadline), .. await town.Seed.TasksAsync(agent, 1, deadline, priority: 3)];
            await town.DrainAsync(await town.Seed.WorkerAsync(deadline), 6, deadline);
            Assert.Equal([tasks[5], .. tasks[..5]], town.Given);
        });
    }

    [Fact]
    public async Task One_task_of_one_agent_is_not_behind_the_thousand_of_another()
    {
        await RunAsync(async (town, _, deadline) =>
        {
            await town.Seed.TasksAsync(await town.Seed.AgentAsync("crowd", deadline, concurrency: 64), 1000, deadline);
            var worker = await town.Seed.WorkerAsync(deadline);
            await town.DrainAsync(worker, 64, deadline);
            var single = await town.Seed.TasksAsync(await town.Seed.AgentAsync("single", deadline), 1, deadline);
            await town.DrainAsync(worker, town.Given.Count + 32, deadline);
            Assert.Contains(single[0], town.Given);
        });
    }

    [Fact]
    public async Task What_is_cancelled_or_paused_before_it_is_given_never_starts()
    {
        await RunAsync(async (town, database, deadline) =>
        {
            var agent = await town.Seed.AgentAsync("a", deadline, concurrency: 4);
            var paused = await town.Seed.AgentAsync("p", deadline, concurrency: 4);
            var tasks = await town.Seed.TasksAsync(agent, 4, deadline);
            await town.Seed.TasksAsync(paused, 4, deadline);
            var worker = await town.Seed.WorkerAsync(deadline);

            // One is given; what the queue keeps ready beside it is withdrawn meanwhile.
            var first = Assert.Single(await town.TurnAsync(worker, 1, deadline));
            foreach (var task in tasks.Where(task => task != first.TaskId))
            {
                await database.ScalarAsync<string>($"SELECT cancel_task('{database.Town}', '{task}', 'test')", deadline);
            }

            await database.ExecuteAsync($"UPDATE agent SET control = 'paused' WHERE id = '{paused}'", deadline);
            for (var i = 0; i < 5; i++)
            {
                Assert.Empty(await town.TurnAsync(worker, 8, deadline));
            }

            await database.ExecuteAsync($"UPDATE agent SET control = 'active' WHERE id = '{paused}'", deadline);
            await town.DrainAsync(worker, first.AgentId == paused ? 4 : 5, deadline);
            await town.Seed.HoldsAsync(deadline);
        });
    }

    [Fact]
    public async Task A_rate_and_the_limit_of_the_town_hold_whatever_is_kept_ready()
    {
        await RunAsync(async (town, database, deadline) =>
        {
            await database.ExecuteAsync($"""
                INSERT INTO limit_key (town, key, max_concurrency, rate_per_minute, burst, tokens, configured)
                VALUES ('{database.Town}', 'llm', NULL, 0.001, 2, 2, true), ('{database.Town}', 'town', 3, NULL, 1, 1, true)
                """, deadline);
            var agent = await town.Seed.AgentAsync("a", deadline, concurrency: 16);
            var slow = await town.Seed.TasksAsync(agent, 6, deadline, rateKey: "llm");
            await town.Seed.TasksAsync(agent, 6, deadline);
            var worker = await town.Seed.WorkerAsync(deadline);
            var running = new List<Lease>();
            while (running.Count < 3)
            {
                running.AddRange(await town.TurnAsync(worker, 8, deadline));
            }

            for (var i = 0; i < 5; i++)
            {
                Assert.Empty(await town.TurnAsync(worker, 8, deadline));
            }

            Assert.Equal(3, running.Count);
            await town.Seed.HoldsAsync(deadline);
            await town.Seed.Settling.SettleAsync([.. running.Select(lease => Seed.End(worker, lease))], deadline);
            await town.DrainAsync(worker, 8, deadline);
            for (var i = 0; i < 5; i++)
            {
                Assert.Empty(await town.TurnAsync(worker, 8, deadline));
            }

            Assert.Equal(2, town.Given.Count(slow.Contains));
        });
    }

    [Fact]
    public async Task What_passes_its_deadline_while_it_is_kept_ready_never_starts()
    {
        await RunAsync(async (town, database, deadline) =>
        {
            var agent = await town.Seed.AgentAsync("a", deadline, concurrency: 4);
            await town.Seed.TasksAsync(agent, 4, deadline, endsBy: TimeProvider.System.GetUtcNow().UtcDateTime.AddHours(1));
            var worker = await town.Seed.WorkerAsync(deadline);
            Assert.Single(await town.TurnAsync(worker, 1, deadline));
            await database.ExecuteAsync("UPDATE task SET deadline = now() - interval '1 s' WHERE state = 'assigned'", deadline);
            for (var i = 0; i < 5; i++)
            {
                Assert.Empty(await town.TurnAsync(worker, 8, deadline));
            }

            await town.Seed.HoldsAsync(deadline);
        });
    }

    [Fact]
    public async Task A_last_chance_is_given_alone()
    {
        await RunAsync(async (town, database, deadline) =>
        {
            await town.Seed.TasksAsync(await town.Seed.AgentAsync("a", deadline, concurrency: 8), 3, deadline);
            await database.ExecuteAsync("UPDATE task SET crashes = 2", deadline);
            var worker = await town.Seed.WorkerAsync(deadline);
            for (var given = 1; given <= 3; given++)
            {
                IReadOnlyList<Lease> leases = [];
                while (leases.Count == 0)
                {
                    deadline.ThrowIfCancellationRequested();
                    leases = await town.TurnAsync(worker, 8, deadline);
                }

                Assert.True(Assert.Single(leases).Alone);
                Assert.Empty(await town.TurnAsync(worker, 8, deadline));
                await town.Seed.Settling.SettleAsync([Seed.End(worker, leases[0])], deadline);
            }

            await town.Seed.HoldsAsync(deadline);
        });
    }

    [Fact]
    public async Task A_drained_worker_is_given_nothing_and_another_gets_what_was_meant_for_it()
    {
        await RunAsync(async (town, database, deadline) =>
        {
            await town.Seed.TasksAsync(await town.Seed.AgentAsync("a", deadline, concurrency: 4), 4, deadline);
            var gone = await town.Seed.WorkerAsync(deadline);
            await database.ExecuteAsync($"UPDATE worker SET state = 'drained', ended_at = now() WHERE id = '{gone.Id.Value}'", deadline);
            Assert.Empty(await town.TurnAsync(gone, 4, deadline));
            await town.DrainAsync(await town.Seed.WorkerAsync(deadline), 4, deadline);
        });
    }

    [Fact]
    public async Task A_worker_is_given_only_what_its_runtimes_can_run()
    {
        await RunAsync(async (town, _, deadline) =>
        {
            await town.Seed.TasksAsync(await town.Seed.AgentAsync("n", deadline, concurrency: 4, runtime: "noop"), 4, deadline);
            await town.Seed.TasksAsync(await town.Seed.AgentAsync("c", deadline, concurrency: 4), 4, deadline);
            var whole = await town.Seed.WorkerAsync(deadline);
            var half = whole with { Runtimes = ["command"] };
            while (town.Given.Count < 4)
            {
                Assert.All(await town.TurnAsync(half, 8, deadline), static lease => Assert.Equal("command", lease.Runtime));
            }

            Assert.Empty(await town.TurnAsync(half, 8, deadline));
            await town.DrainAsync(whole, 8, deadline);
        });
    }

    [Fact]
    public async Task Work_goes_on_while_Redis_is_away_and_when_it_is_back()
    {
        var deadline = Deadline.Usual();
        await using var redis = await RedisInstance.StartAsync(deadline);
        await RunAsync(
            async (town, _, deadline) =>
            {
                await town.Seed.TasksAsync(await town.Seed.AgentAsync("a", deadline, concurrency: 8), 60, deadline);
                var worker = await town.Seed.WorkerAsync(deadline);
                await town.DrainAsync(worker, 20, deadline);
                redis.Pause();
                await town.DrainAsync(worker, 40, deadline);
                redis.Resume();
                await town.DrainAsync(worker, 60, deadline);
            },
            redis);
    }

    [Fact]
    public async Task Emptying_Redis_hides_nothing()
    {
        var deadline = Deadline.Usual();
        await using var redis = await RedisInstance.StartAsync(deadline);
        await RunAsync(
            async (town, _, deadline) =>
            {
                await town.Seed.TasksAsync(await town.Seed.AgentAsync("a", deadline, concurrency: 16), 60, deadline);
                var worker = await town.Seed.WorkerAsync(deadline);
                for (var given = 5; given < 60; given += 11)
                {
                    await town.DrainAsync(worker, given, deadline, most: 2);
                    await town.Redis.ExecuteAsync("FLUSHALL");
                }

                await town.DrainAsync(worker, 60, deadline);
                Assert.Equal(60, town.Given.Distinct().Count());
            },
            redis);
    }

    [Theory]
    [InlineData("forged")]
    [InlineData("garbage")]
    [InlineData("another type")]
    public async Task Nothing_in_Redis_can_start_repeat_or_make_a_task(string what)
    {
        var deadline = Deadline.Usual();
        await using var redis = await RedisInstance.StartAsync(deadline);
        await RunAsync(
            async (town, database, deadline) =>
            {
                var tasks = await town.Seed.TasksAsync(await town.Seed.AgentAsync("a", deadline, concurrency: 2), 10, deadline);
                var later = await town.Seed.TasksAsync(
                    await town.Seed.AgentAsync("b", deadline), 1, deadline, notBefore: TimeProvider.System.GetUtcNow().UtcDateTime.AddHours(1));
                var worker = await town.Seed.WorkerAsync(deadline);
                await town.DrainAsync(worker, 3, deadline);
                RedisKey key = $"town:{database.Town}:startable";
                for (var i = 0; i < 200; i++)
                {
                    await (Task)(what switch
                    {
                        // Twice, ended ones, one that may not start yet, and ids that nobody made.
                        "forged" => (Task)town.Redis.ExecuteAsync("XADD", key, "*", "task", (i % 4) switch
                        {
                            0 => tasks[i % 10].ToString(),
                            1 => town.Given[i % 3].ToString(),
                            2 => later[0].ToString(),
                            _ => Guid.NewGuid().ToString(),
                        }),
                        "garbage" => town.Redis.ExecuteAsync("XADD", key, "*", i % 2 == 0 ? "task" : "x", new string('\'', i * 100) + ";"),
                        _ => town.Redis.StringSetAsync(key, i.ToString(CultureInfo.InvariantCulture)),
                    });
                }

                await town.DrainAsync(worker, 10, deadline);
                Assert.Equal(tasks.Order(), town.Given.Order());
                Assert.Equal(11L, await database.ScalarAsync<long>("SELECT (SELECT count(*) FROM task) + (SELECT count(*) FROM task_history)", deadline));
            },
            redis);
    }

    private protected static WorkStream Stream(QueueTown.Parts parts) => new(parts.Door, parts.Seed.Town);

    private protected static Doorbell Bell(QueueTown.Parts parts) => new(parts.Door, parts.Seed.Town);

    private async Task RunAsync(Func<QueueTown, TestDatabase, CancellationToken, Task> scene, RedisInstance? redis = null)
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        await using var own = redis is null ? await RedisInstance.StartAsync(deadline) : null;
        await using var town = await QueueTown.StartAsync(database, redis ?? own!, Make, deadline);
        await scene(town, database, deadline);
    }
}

public sealed class PostgresQueueTests(PostgresServer postgres) : QueueTests(postgres), IClassFixture<PostgresServer>
{
    private protected override Func<QueueTown.Parts, IWorkQueue> Make => static parts => new PostgresQueue(parts.Seed.Leases, parts.Ready, TimeProvider.System);
}

public sealed class StreamsQueueTests(PostgresServer postgres) : QueueTests(postgres), IClassFixture<PostgresServer>
{
    private readonly PostgresServer _postgres = postgres;

    private protected override Func<QueueTown.Parts, IWorkQueue> Make => static parts => new StreamsQueue(
        parts.Seed.Leases, parts.Ready, new PostgresQueue(parts.Seed.Leases, parts.Ready, TimeProvider.System), Stream(parts), parts.Leadership, Bell(parts),
        TimeProvider.System, NullLogger<StreamsQueue>.Instance);

    [Fact]
    public async Task The_stream_is_read_empty_and_a_follower_serves_what_the_leader_fed()
    {
        var deadline = Deadline.Usual();
        await using var database = await _postgres.CreateDatabaseAsync(deadline);
        await using var redis = await RedisInstance.StartAsync(deadline);
        await using var leader = await QueueTown.StartAsync(database, redis, Make, deadline);
        await using var follower = await QueueTown.StartAsync(database, redis, Make, deadline, leads: false);
        await leader.Seed.TasksAsync(await leader.Seed.AgentAsync("a", deadline, concurrency: 7), 7, deadline);
        var worker = await leader.Seed.WorkerAsync(deadline);

        // Of a stranger it feeds one. Asked for two, it feeds four; two are left in the stream for whoever comes.
        Assert.Single(await leader.TurnAsync(worker, 1, deadline));
        Assert.Equal(2, (await leader.TurnAsync(worker, 2, deadline)).Count);
        Assert.Equal(2, (await follower.TurnAsync(worker, 8, deadline)).Count);
        Assert.Equal(5, leader.Given.Concat(follower.Given).Distinct().Count());
        Assert.Equal(0, (long)await leader.Redis.ExecuteAsync("XLEN", (RedisKey)$"town:{database.Town}:startable"));
    }
}
