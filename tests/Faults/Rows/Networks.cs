using System.Net.Sockets;
using Townhall.Testing;

namespace Townhall.Faults.Rows;

/// <summary>Slow, cut and one-way networks, by the proxies; and clocks that disagree.</summary>
internal static class Networks
{
    private static readonly TimeSpan Aftermath = TimeSpan.FromSeconds(4);

    /// <summary>Commits that happen and whose answers are cut off; callers insist with their keys.</summary>
    public static Task CommitReplyLost(FaultRun run, CancellationToken deadline) => Scenario.InTownAsync(run, new(), deadline, async town =>
    {
        var agents = await town.AgentsAsync(4, deadline, fake: false, concurrency: 64);
        await using var load = Load.Start(town, run, agents, clients: 8, TimeSpan.FromMilliseconds(20), deadline, insist: true);
        for (var i = 0; i < 10; i++)
        {
            var cuts = town.TownhallToPostgres.ToClient.Cuts;
            town.TownhallToPostgres.ToClient.CutAfter(1 + run.Random.Next(400));
            await Eventually.Holds(() => town.TownhallToPostgres.ToClient.Cuts > cuts, deadline, "an answer to be cut");
            await Scenario.LastAsync(0.1 + (0.2 * run.Random.NextDouble()), deadline);
        }

        var ok = run.History.Calls.Count(static call => call.Ending == Ending.Ok);
        await Eventually.Holds(() => run.History.Calls.Count(static call => call.Ending == Ending.Ok) > ok + 100, deadline, "calls to succeed");
        await load.StopAsync();
        run.Happened(town.TownhallToPostgres.ToClient.Cuts >= 10, $"{town.TownhallToPostgres.ToClient.Cuts} answers of Postgres were cut off");
        run.Require(run.History.Calls.All(static call => call.Ending == Ending.Ok), "a call that insisted was not accepted");
    });

    /// <summary>By the proxies; with every fifth seed by the kernel, which loses packets of all connections to Postgres and Redis.</summary>
    public static Task Slow(FaultRun run, CancellationToken deadline)
    {
        if (run.Seed % 5 == 4)
        {
            return PacketLoss.RunAsync(run, deadline);
        }

        var (delay, width) = (run.Seed % 4) switch { 0 => (5, 0), 1 => (50, 0), 2 => (500, 0), _ => (0, 32 * 1024) };
        var what = width > 0 ? "256 kbit/s" : $"+{delay} ms";
        return Scenario.InTownAsync(run, new(Workers: 2), deadline, async town =>
        {
            var agents = await town.AgentsAsync(4, deadline);
            var load = Load.Start(town, run, agents, clients: 4, TimeSpan.FromMilliseconds(width > 0 ? 500 : 150), deadline);
            await using (load)
            {
                FaultProxy[] slow = [town.TownhallToPostgres, town.DispatcherToPostgres, town.TownhallToRedis, town.DispatcherToRedis];
                foreach (var direction in slow.Select(static proxy => proxy.ToServer))
                {
                    direction.Delay = TimeSpan.FromMilliseconds(delay);
                    direction.Jitter = TimeSpan.FromMilliseconds(delay / 5.0);
                    direction.BytesPerSecond = width;
                }

                var from = run.History.Now;
                await Scenario.LastAsync(10, deadline);
                var calls = run.History.Calls.Where(call => call.Invoked > from && call.Ending != Ending.Open).ToList();
                var slowest = calls.Max(static call => call.Ended - call.Invoked);
                run.Happened(slowest * 1000 > delay, $"{what} to Postgres and Redis for 10 s, {town.TownhallToPostgres.ToServer.Bytes} B passed");
                run.See($"{what}: {calls.Count} calls, {calls.Count(static call => call.Ending == Ending.Ok)} ok, slowest {slowest:0.00} s");
                run.Require(slowest < 6, $"a call took {slowest:0.0} s");
                await load.StopAsync();
                await town.QuietAsync(Deadline.Of(TimeSpan.FromSeconds(40)));
            }

            foreach (var proxy in town.Proxies)
            {
                proxy.Heal();
            }

            run.Require(await town.TryScalarAsync<long>("SELECT count(*) FROM task_history WHERE attempt <> 1", deadline) == 0, "a lease was lost to a slow network");
        });
    }

    /// <summary>Workers without their dispatcher (both ways, and each way alone), the dispatcher or townhall without Postgres.</summary>
    public static Task Parted(FaultRun run, CancellationToken deadline) => Scenario.InTownAsync(run, new(Workers: 2), deadline, async town =>
    {
        var (what, directions) = (run.Seed % 5) switch
        {
            0 => ("workers and dispatcher", (Direction[])[town.WorkerToDispatcher.ToServer, town.WorkerToDispatcher.ToClient]),
            1 => ("what workers send", [town.WorkerToDispatcher.ToServer]),
            2 => ("what workers hear", [town.WorkerToDispatcher.ToClient]),
            3 => ("dispatcher and Postgres", [town.DispatcherToPostgres.ToServer, town.DispatcherToPostgres.ToClient]),
            _ => ("townhall and Postgres", [town.TownhallToPostgres.ToServer, town.TownhallToPostgres.ToClient]),
        };
        var agents = await town.AgentsAsync(4, deadline);
        var ticking = await Task.WhenAll(agents.Select(agent => town.Client.AssignAsync(agent, "tick 30", deadline)));
        foreach (var call in ticking)
        {
            await town.StartedAsync(call.Task!.Value, 1, deadline);
        }

        await using var load = Load.Start(town, run, agents, clients: 2, TimeSpan.FromMilliseconds(200), deadline);
        await Scenario.LastAsync(1.1 + run.Random.NextDouble(), deadline);
        using (run.History.FaultWindow(Aftermath))
        {
            Array.ForEach(directions, static direction => direction.Held = true);
            var passed = directions.Sum(static direction => direction.Bytes);
            await Scenario.LastAsync(2.5 * town.Lease, deadline);
            run.Happened(directions.Sum(static direction => direction.Bytes) == passed, $"nothing passed for {2.5 * town.Lease} s: {what}");
            Array.ForEach(directions, static direction => direction.Held = false);
        }

        await Scenario.TakesWorkAsync(town, run, agents[0], deadline);
        await Scenario.RecoveredAsync(town, run, deadline);
        await load.StopAsync();
        await town.QuietAsync(Deadline.Of(TimeSpan.FromSeconds(40)));
        var again = await town.TryScalarAsync<long>("SELECT count(*) FROM task_history WHERE attempt > 1", deadline);
        run.See($"{what} parted: {again} tasks run again");
    });

    /// <summary>One process lives two hours ahead or behind, or its clock jumps an hour while it holds leases; no decision may compare
    /// its clock with another's.</summary>
    public static Task WrongClock(FaultRun run, CancellationToken deadline)
    {
        var library = Directory.Exists("/usr/lib")
            ? Directory.EnumerateDirectories("/usr/lib", "*-linux-gnu").Select(static folder => Path.Combine(folder, "faketime", "libfaketimeMT.so.1")).FirstOrDefault(File.Exists) : null;
        // Not its wrapper, which would stand between us and the process that is signalled.
        var jumps = run.Seed / 6 % 2 == 1;
        var sign = run.Seed % 2 == 0 ? '+' : '-';
        var clock = Path.Combine(Path.GetTempPath(), $"townhall-clock-{Guid.NewGuid():N}");
        string[] wrong =
        [
            "/usr/bin/env", $"LD_PRELOAD={library ?? throw new MissingProgramException("libfaketime is missing: install the Debian package faketime.")}",
            "FAKETIME_DONT_FAKE_MONOTONIC=1", .. jumps ? (string[])["FAKETIME_NO_CACHE=1", $"FAKETIME_TIMESTAMP_FILE={clock}"] : [$"FAKETIME={sign}2h"],
        ];
        if (jumps)
        {
            File.WriteAllText(clock, "+0");
        }

        var who = run.Seed / 2 % 3;
        var options = new TownOptions(
            Workers: 1, WrapTownhall: who == 0 ? wrong : null, WrapDispatcher: who == 1 ? wrong : null, WrapWorker: who == 2 ? wrong : null);
        return Scenario.InTownAsync(run, options, deadline, async town =>
        {
            var shifted = who switch { 0 => town.Townhall, 1 => town.Dispatchers[0], _ => town.Workers[0] };
            var what = jumps ? $"a jump of {sign}1h" : wrong[^1];
            run.Happened(ProcessTable.Maps(shifted.Process.Pid, "libfaketime"), $"{what} in {shifted.Process.Name}");
            var agents = await town.AgentsAsync(4, deadline);
            var now = await town.TryScalarAsync<DateTime>("SELECT now()", deadline);
            var due = new DateTimeOffset(now.AddSeconds(3), TimeSpan.Zero);
            var delayed = await Task.WhenAll(agents.Select(agent => town.Client.AssignAsync(agent, "sleep 0.1", deadline, due)));
            var ticking = await Task.WhenAll(agents.Select(agent => town.Client.AssignAsync(agent, "tick 50", deadline)));
            await using var load = Load.Start(town, run, agents, clients: 2, TimeSpan.FromMilliseconds(200), deadline);
            if (jumps)
            {
                // There, while leases are held, and back again.
                foreach (var to in (string[])[$"{sign}1h", "+0"])
                {
                    await Scenario.LastAsync(1 + (0.5 * run.Random.NextDouble()), deadline);
                    await File.WriteAllTextAsync(clock, to, deadline);
                }
            }

            await Scenario.LastAsync(jumps ? 1 : 3, deadline);
            await load.StopAsync();
            File.Delete(clock);
            foreach (var call in delayed.Concat(ticking))
            {
                run.Require(await town.EndedAsync(call.Task!.Value, deadline) == "completed", "a task did not complete");
            }

            await town.QuietAsync(Deadline.Of(TimeSpan.FromSeconds(40)));
            run.Require(await town.TryScalarAsync<long>("SELECT count(*) FROM task_history WHERE attempt <> 1", deadline) == 0, "a live worker was robbed");
            var late = await town.TryScalarAsync<double>(
                $"SELECT extract(epoch FROM max(started_at) - '{due:O}')::float8 FROM task_history WHERE id IN ({string.Join(", ", delayed.Select(static call => $"'{call.Task}'"))})", deadline);
            run.See($"{what} in {shifted.Process.Name}: delayed work started {late:0.0} s after its time");
            run.Require(late < 5, $"delayed work started {late:0.0} s late");
        });
    }

    /// <summary>A service that may open forty files more than it has, and a caller who opens 400 connections to it.</summary>
    public static Task FilesUsedUp(FaultRun run, CancellationToken deadline)
    {
        var dispatcher = run.Seed % 2 == 1;
        return Scenario.InTownAsync(run, new(), deadline, async town =>
        {
            var part = dispatcher ? town.Dispatchers[0] : town.Townhall;
            var agents = await town.AgentsAsync(4, deadline);
            await using var load = Load.Start(town, run, agents, clients: 4, TimeSpan.FromMilliseconds(80), deadline);
            await Scenario.LastAsync(0.5, deadline);
            var most = ProcessTable.Size(part.Process.Pid).Files + 40;
            await LimitAsync(part, $"{most}:524288", deadline);
            var taken = new List<Socket>();
            using (run.History.FaultWindow(Aftermath))
            {
                for (var i = 0; i < 400; i++)
                {
                    var one = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                    taken.Add(one);
                    try
                    {
                        await one.ConnectAsync("127.0.0.1", part.Port, deadline).AsTask().WaitAsync(TimeSpan.FromSeconds(1), TimeProvider.System, deadline);
                    }
                    catch (Exception refused) when (refused is SocketException or TimeoutException)
                    {
                        break;      // nobody accepts any more
                    }
                }

                await Eventually.Holds(() => ProcessTable.Size(part.Process.Pid).Files >= most - 2, deadline, "the files to be used up");
                run.Happened(true, $"{ProcessTable.Size(part.Process.Pid).Files} of {most} files of {part.Process.Name} are open");
                await Scenario.LastAsync(2, deadline);
                taken.ForEach(static one => one.Dispose());

            }

            run.Require(part.Runs, $"{part.Process.Name} ended");
            var recovery = await Scenario.TakesWorkAsync(town, run, agents[0], deadline);
            await Scenario.RecoveredAsync(town, run, deadline);
            await load.StopAsync();
            run.See($"{part.Process.Name} lives, accepts again after {recovery:0.0} s");
        });
    }

    private static async Task LimitAsync(Part part, string files, CancellationToken deadline)
    {
        await using var limit = await KeptProcess.StartAsync(
            "prlimit", Programs.Find("prlimit", "util-linux"), [$"--pid={part.Process.Pid}", $"--nofile={files}"], new Dictionary<string, string>());
        await limit.ExitAsync(deadline);
    }
}
