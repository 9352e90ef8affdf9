using System.Globalization;
using Townhall.Testing;

namespace Townhall.Faults.Rows;

/// <summary>What Redis may hold, lose or be told: none of it decides anything.</summary>
internal static class RedisContent
{
    private const int Junk = 20_000;

    public static Task RestartedClean(FaultRun run, CancellationToken deadline) => WithFileAsync(run, deadline, async (town, _) =>
    {
        await town.Redis.CommandAsync(deadline, "SHUTDOWN", "NOSAVE");
        run.Happened(!await Ports.ListensAsync(town.Redis.Port, deadline), "Redis was shut down");
        await Scenario.LastAsync(0.5 + run.Random.NextDouble(), deadline);
        await town.Redis.StartAgainAsync(deadline);
    });

    public static Task TailCut(FaultRun run, CancellationToken deadline) => WithFileAsync(run, deadline, async (town, folder) =>
    {
        await town.Redis.CommandAsync(deadline, "EVAL", $"for i = 1, {Junk} do redis.call('set', 'junk' .. i, i) end", "0");
        await Scenario.LastAsync(1.2, deadline);        // synced once a second
        await town.Redis.StopAsync(deadline);
        var file = Directory.EnumerateFiles(folder, "*.incr.aof", SearchOption.AllDirectories).Single();
        var cut = 1024 * (1 + run.Random.Next(500));
        using (var stream = File.OpenWrite(file))
        {
            stream.SetLength(Math.Max(0, stream.Length - cut));
        }

        await town.Redis.StartAgainAsync(deadline);
        var left = await Eventually.Is(
            () => town.Redis.CommandAsync(deadline, "DBSIZE"), static reply => reply.StartsWith(':'), deadline, "Redis to have read its file");
        run.Happened(int.Parse(left.Trim()[1..], CultureInfo.InvariantCulture) < Junk, $"{cut / 1024} KiB were cut off its file, {left.Trim()[1..]} of {Junk} keys are left");
    });

    public static Task Full(FaultRun run, CancellationToken deadline) => WithFileAsync(run, deadline, async (town, _) =>
    {
        await town.Redis.CommandAsync(deadline, "CONFIG", "SET", "maxmemory", "3mb");
        // A script is stopped at its start only, so each of them may be the last that fits.
        var reply = "";
        for (var i = 0; i < 10; i++)
        {
            reply = await town.Redis.CommandAsync(
                deadline, "EVAL", $"for i = 1, 1000 do redis.call('set', 'junk{i}-' .. i, string.rep('x', 1000)) end", "0");
        }

        run.Happened(reply.Contains("OOM", StringComparison.Ordinal), $"Redis refuses to grow: {reply.Trim()[..Math.Min(60, reply.Trim().Length)]}");
        await Scenario.LastAsync(2, deadline);
        await town.Redis.CommandAsync(deadline, "FLUSHALL");
        await town.Redis.CommandAsync(deadline, "CONFIG", "SET", "maxmemory", "0");

        // A policy that evicts is refused by whoever starts; who runs already only says so.
        await town.Redis.CommandAsync(deadline, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
        var dispatcher = town.Dispatchers[0];
        await dispatcher.Process.StopAsync(deadline);
        await dispatcher.BeginAsync();
        var code = await dispatcher.Process.ExitAsync(deadline);
        run.Require(code == 78, $"a start with allkeys-lru ended with {code}: {dispatcher.Process.Log}");
        await Eventually.Holds(() => dispatcher.Process.Log.Contains("allkeys-lru", StringComparison.Ordinal), deadline, "the dispatcher to name the policy");
        await town.Redis.CommandAsync(deadline, "CONFIG", "SET", "maxmemory-policy", "noeviction");
        await town.StartAllAsync(deadline);
    });

    public static async Task DiskFull(FaultRun run, CancellationToken deadline)
    {
        await using var disk = await SmallDisk.MountAsync(4, deadline);
        await WithFileAsync(run, deadline, async (town, folder) =>
        {
            disk.Fill();
            await town.Redis.CommandAsync(deadline, "SET", "junk", new string('x', 30_000));
            var reply = await Eventually.Is(
                () => town.Redis.CommandAsync(deadline, "SET", "junk", new string('x', 30_000)),
                static reply => reply.StartsWith("-MISCONF", StringComparison.Ordinal), deadline, "Redis to notice that its disk is full");
            run.Happened(true, $"Redis answers {reply.Trim()[..Math.Min(40, reply.Trim().Length)]}");
            await Scenario.LastAsync(2, deadline);
            disk.Free();
            await Eventually.Is(
                () => town.Redis.CommandAsync(deadline, "SET", "junk", "x"), static reply => reply.StartsWith("+OK", StringComparison.Ordinal), deadline, "Redis to write again");
        }, disk.Folder);
    }

    /// <summary>Commands arrive and are done; what Redis answers is lost, and then the connection is, too.</summary>
    public static Task RepliesLost(FaultRun run, CancellationToken deadline) => RedisFaults.UnderLoadAsync(run, deadline, async town =>
    {
        for (var i = 0; i < 5; i++)
        {
            FaultProxy[] proxies = [town.TownhallToRedis, town.DispatcherToRedis];
            foreach (var proxy in proxies)
            {
                proxy.ToClient.Drop = true;
            }

            await Scenario.LastAsync(0.3 + (0.5 * run.Random.NextDouble()), deadline);
            foreach (var proxy in proxies)
            {
                proxy.ResetAll();
                proxy.ToClient.Drop = false;
            }

            await Scenario.LastAsync(1.2, deadline);
        }

        run.Happened(town.TownhallToRedis.ToClient.Dropped > 0, $"{town.TownhallToRedis.ToClient.Dropped} B of replies to townhall were lost");
        run.Happened(town.TownhallToRedis.Resets > 0, $"{town.TownhallToRedis.Resets} connections were reset");
    });

    /// <summary>Thousands of rings and stream entries that nobody of the town wrote.</summary>
    public static Task Forged(FaultRun run, CancellationToken deadline) => RedisFaults.UnderLoadAsync(run, deadline, async town =>
    {
        var before = await town.TryScalarAsync<long>("SELECT count(*) FROM agent", deadline);
        var real = await town.TryScalarAsync<Guid>("SELECT id FROM agent LIMIT 1", deadline);
        var script = $"""
            local heard = 0
            local texts = {"{"}'{real}', '{real},{real}', '', 'nonsense', '{Guid.NewGuid()}', string.rep('x', 100000), '\0\255\254', '-1', '[1]'{"}"}
            for i = 1, 2500 do
              for _, name in ipairs({"{"}'work', 'ledger', 'output', 'control'{"}"}) do
                heard = heard + redis.call('publish', 'town:{town.Database.Town}:' .. name, texts[1 + (i * 7) % #texts])
                redis.call('xadd', 'town:{town.Database.Town}:startable', 'MAXLEN', '100', '*', 'task', texts[1 + i % #texts])
              end
            end
            redis.call('publish', 'town:{town.Database.Town}:work', string.rep('y', 5 * 1024 * 1024))
            return heard
            """;
        var heard = await town.Redis.CommandAsync(deadline, "EVAL", script, "0");
        run.Happened(heard.StartsWith(':') && heard.Trim() != ":0", $"forged rings were heard {heard.Trim()[1..]} times");
        await Scenario.LastAsync(1, deadline);
        run.Require(await town.TryScalarAsync<long>("SELECT count(*) FROM agent", deadline) == before, "a ring made an agent");
    });

    /// <summary>Each agent is rung for again and again while many workers ask at two dispatchers.</summary>
    public static Task RungFiveTimes(FaultRun run, CancellationToken deadline) =>
        Scenario.InTownAsync(run, new(Dispatchers: 2, Workers: 4, Lease: 10, Slots: 4), deadline, async town =>
        {
            var agents = await town.AgentsAsync(8, deadline, concurrency: 3);
            var ids = await town.TryScalarAsync<Guid[]>("SELECT array_agg(id) FROM agent", deadline) ?? [];
            await using var load = Load.Start(town, run, agents, clients: 8, TimeSpan.FromMilliseconds(50), deadline);
            await Eventually.Holds(() => run.History.Calls.Count(static call => call.Ending == Ending.Ok) > 50, deadline, "calls to succeed");
            var heard = 0;
            for (var i = 0; i < 40; i++)
            {
                foreach (var id in ids.OrderBy(_ => run.Random.Next()))
                {
                    for (var times = 1 + run.Random.Next(5); times > 0; times--)
                    {
                        var reply = await town.Redis.CommandAsync(deadline, "PUBLISH", $"town:{town.Database.Town}:work", id.ToString());
                        heard += int.Parse(reply.Trim()[1..], CultureInfo.InvariantCulture);
                    }
                }
            }

            await load.StopAsync();
            run.Happened(heard > 100, $"repeated rings were heard {heard} times");
            await town.QuietAsync(deadline);
            run.Require(await town.TryScalarAsync<long>("SELECT count(*) FROM task_history WHERE attempt <> 1", deadline) == 0, "a task was given out twice");
        });

    private static async Task WithFileAsync(
        FaultRun run, CancellationToken deadline, Func<TownUnderTest, string, Task> fault, string? on = null)
    {
        var folder = on ?? Directory.CreateTempSubdirectory("townhall-redis-").FullName;
        try
        {
            await using var redis = await RedisInstance.StartAsync(deadline, folder);
            await RedisFaults.UnderLoadAsync(run, deadline, town => fault(town, folder), redis);
        }
        finally
        {
            if (on is null)
            {
                Directory.Delete(folder, recursive: true);
            }
        }
    }
}
