using System.Diagnostics;
using Townhall.Testing;

namespace Townhall.Faults.Rows;

/// <summary>Processes that are killed without a word.</summary>
internal static class Killed
{
    private static readonly TimeSpan Aftermath = TimeSpan.FromSeconds(3);

    public static Task Townhall(FaultRun run, CancellationToken deadline) => Scenario.InTownAsync(run, new(), deadline, async town =>
    {
        var agents = await town.AgentsAsync(4, deadline, fake: false, concurrency: 64);
        await using var load = Load.Start(town, run, agents, clients: 32, TimeSpan.FromMilliseconds(20), deadline);
        await Eventually.Holds(() => run.History.Calls.Count(static call => call.Ending == Ending.Ok) > 50, deadline, "calls to succeed");
        await Scenario.LastAsync(0.2 + (2.8 * run.Random.NextDouble()), deadline);
        var watch = Stopwatch.StartNew();
        using (run.History.FaultWindow(Aftermath))
        {
            await town.Townhall.KillAsync(deadline);
            watch.Restart();
            await town.Townhall.StartAsync(deadline);
        }

        run.See($"ready {watch.Elapsed.TotalSeconds:0.0} s after the kill");
        run.Require(watch.Elapsed.TotalSeconds < 5 * ProcessTable.Stretch(), $"the restart took {watch.Elapsed.TotalSeconds:0.0} s, {ProcessTable.Stretch():0.0} times as long being allowed");
        var ok = run.History.Calls.Count(static call => call.Ending == Ending.Ok);
        await Eventually.Holds(() => run.History.Calls.Count(static call => call.Ending == Ending.Ok) > ok + 100, deadline, "calls to succeed again");
        await Scenario.RecoveredAsync(town, run, deadline);
        await load.StopAsync();
        var unknown = run.History.Calls.Count(static call => call.Ending == Ending.Info);
        run.See($"{unknown} calls with an unknown end");
        run.Require(run.History.Calls.All(static call => call.Status is 0 or 201 or 503), "a client was told something else than 201 or 503");
    });

    /// <summary>With one dispatcher it is started again, with two the other one takes over.</summary>
    public static Task Dispatcher(FaultRun run, CancellationToken deadline)
    {
        var replicas = 1 + (run.Seed % 2);
        return Scenario.InTownAsync(run, new(Dispatchers: replicas, Workers: 2), deadline, async town =>
        {
            var agents = await town.AgentsAsync(4, deadline);
            await using var load = Load.Start(town, run, agents, clients: 4, TimeSpan.FromMilliseconds(100), deadline);
            await Eventually.Is(() => town.TryScalarAsync<long>("SELECT count(*) FROM task_history", deadline), static done => done > 10, deadline);
            await Scenario.LastAsync(run.Random.NextDouble(), deadline);
            await town.Dispatchers[0].KillAsync(deadline);
            var killed = await town.TryScalarAsync<DateTime>("SELECT clock_timestamp()", deadline);
            if (replicas == 1)
            {
                await town.Dispatchers[0].StartAsync(deadline);
            }

            var again = await Eventually.Is(
                () => town.TryScalarAsync<DateTime>($"SELECT coalesce(max(leased_at), 'epoch') FROM task WHERE leased_at > '{killed:O}'", deadline),
                at => at > killed, deadline, "leases after the kill");
            run.See($"{replicas} dispatchers, next lease {(again - killed).TotalSeconds:0.0} s after the kill");
            run.Require((again - killed).TotalSeconds < 6 * ProcessTable.Stretch(), "work did not go on within 6 s");
            await Scenario.LastAsync(1, deadline);
            await load.StopAsync();
        });
    }

    public static Task Worker(FaultRun run, CancellationToken deadline) => Scenario.InTownAsync(run, new(Workers: 1), deadline, async town =>
    {
        var agents = await town.AgentsAsync(2, deadline, concurrency: 2);
        var calls = new List<Call>();
        foreach (var agent in agents)
        {
            calls.Add(await town.Client.AssignAsync(agent, "first 600", deadline));
        }

        foreach (var call in calls)
        {
            await town.StartedAsync(call.Task!.Value, 1, deadline);
        }

        await Scenario.LastAsync(1.5 * run.Random.NextDouble(), deadline);
        var children = calls.SelectMany(static call => ProcessTable.Marked($"TOWNHALL_TASK_ID={call.Task}")).ToList();
        run.Require(children.Count > 0, "no process of a command was found");
        await town.Workers[0].KillAsync(deadline);
        var killed = Stopwatch.StartNew();
        var spare = town.NewWorker("spare");
        town.Workers.Add(spare);
        await spare.BeginAsync();
        await Eventually.Holds(() => !children.Exists(Signals.Alive), deadline, "the commands to die with their worker");
        run.See($"{children.Count} processes of commands gone after {killed.Elapsed.TotalSeconds:0.00} s");
        run.Require(killed.Elapsed.TotalSeconds < ProcessTable.Stretch(), "a command outlived its worker");
        foreach (var call in calls)
        {
            await town.StartedAsync(call.Task!.Value, 2, deadline);
        }

        run.See($"redelivered after {killed.Elapsed.TotalSeconds:0.0} s");
        run.Measure(Measured.Redelivery, killed.Elapsed.TotalSeconds / (town.Lease + 0.5 + 2));
        run.Require(killed.Elapsed.TotalSeconds < town.Lease + 0.5 + (2 * ProcessTable.Stretch()), $"redelivery took {killed.Elapsed.TotalSeconds:0.0} s");
        foreach (var call in calls)
        {
            run.Require(await town.EndedAsync(call.Task!.Value, deadline) == "completed", "the second attempt did not complete");
        }
    });

    /// <summary>What was committed and never rung for is found by the next look.</summary>
    public static Task BeforeTheRing(FaultRun run, CancellationToken deadline) => Scenario.InTownAsync(run, new(), deadline, async town =>
    {
        var agents = await town.AgentsAsync(4, deadline, fake: false, concurrency: 64);
        town.TownhallToRedis.Partition();
        var calls = new List<Call>();
        for (var i = 0; i < 20 + run.Random.Next(20); i++)
        {
            calls.Add(await town.Client.AssignAsync(agents[i % 4], "x", deadline));
        }

        var passed = town.TownhallToRedis.ToServer.Bytes;
        await town.Townhall.KillAsync(deadline);
        run.Happened(town.TownhallToRedis.ToServer.Bytes == passed, $"none of {calls.Count} rings left townhall");
        await town.QuietAsync(deadline);
        var latest = await town.TryScalarAsync<double>("SELECT extract(epoch FROM max(started_at - created_at))::float8 FROM task_history", deadline);
        run.See($"latest start {latest:0.0} s after its acceptance, without a ring");
        run.Require(latest < 3 * ProcessTable.Stretch(), $"a start came {latest:0.0} s after its acceptance");
        town.TownhallToRedis.Heal();
        await town.Townhall.StartAsync(deadline);
    });

    public static Task Child(FaultRun run, CancellationToken deadline) => Scenario.InTownAsync(run, new(), deadline, async town =>
    {
        var once = (await town.AgentsAsync(1, deadline, attempts: 1))[0];
        var twice = (await town.AgentsAsync(1, deadline, attempts: 2))[0];
        Call[] calls = [await town.Client.AssignAsync(once, "first 600", deadline), await town.Client.AssignAsync(twice, "first 600", deadline)];
        foreach (var call in calls)
        {
            await town.StartedAsync(call.Task!.Value, 1, deadline);
            // The youngest two are the script and its sleep; what is older is the sandbox.
            var script = ProcessTable.Marked($"TOWNHALL_TASK_ID={call.Task}").Where(pid => ProcessTable.Name(pid) == "sh").Max();
            run.Happened(Signals.Send(script, Signals.Kill), $"SIGKILL to the command {script}");
        }

        run.Require(await town.EndedAsync(calls[0].Task!.Value, deadline) == "failed", "one attempt, killed, was not a failure");
        run.Require(await town.EndedAsync(calls[1].Task!.Value, deadline) == "completed", "the second attempt did not complete");
        var code = await town.TryScalarAsync<string>($"SELECT failure_code || ' ' || exit_code FROM task_history WHERE id = '{calls[0].Task}'", deadline);
        run.See($"failure {code}, retried where allowed");
        run.Require(code == "signal 137", $"the failure is {code}");
    });

    /// <summary>Callers repeat with their idempotency keys until they know.</summary>
    public static Task Edge(FaultRun run, CancellationToken deadline) => Scenario.InTownAsync(run, new(Edge: true), deadline, async town =>
    {
        var agents = await town.AgentsAsync(4, deadline, fake: false, concurrency: 64);
        await using var load = Load.Start(town, run, agents, clients: 16, TimeSpan.FromMilliseconds(20), deadline, insist: true);
        for (var i = 0; i < 2; i++)
        {
            var ok = Ok(run);
            await Eventually.Holds(() => Ok(run) > ok + 50, deadline, "calls to succeed");
            await Scenario.LastAsync(run.Random.NextDouble(), deadline);
            await town.Edge!.KillAsync(deadline);
            await town.Edge.StartAsync(deadline);
        }

        await load.StopAsync();
        run.Require(run.History.Calls.All(static call => call.Ending == Ending.Ok), "a call that insisted was not accepted");
    });

    public static async Task Everything(FaultRun run, CancellationToken deadline)
    {
        await using var town = await TownUnderTest.StartAsync(run, new(Workers: 2), deadline);
        await Scenario.WatchedAsync(town, run, async () =>
        {
            var agents = await town.AgentsAsync(4, deadline);
            await using var load = Load.Start(town, run, agents, clients: 4, TimeSpan.FromMilliseconds(80), deadline);
            await Eventually.Holds(() => run.History.Calls.Count(static call => call.Ending == Ending.Ok) > 20, deadline, "calls to succeed");
            await Scenario.LastAsync(1.1 + run.Random.NextDouble(), deadline);
            using (run.History.FaultWindow(Aftermath))
            {
                Part[] parts = [town.Townhall, .. town.Dispatchers, .. town.Workers];
                await Task.WhenAll(
                    Task.WhenAll(parts.Select(part => part.KillAsync(deadline))), town.Redis.StopAsync(deadline), town.Postgres.StopAsync(deadline));
                await town.Postgres.StartAgainAsync(deadline);
                await town.Redis.StartAgainAsync(deadline);
                await town.StartAllAsync(deadline);
            }

            await Scenario.TakesWorkAsync(town, run, agents[0], deadline);
            await Scenario.RecoveredAsync(town, run, deadline);
            await load.StopAsync();
            await new Checker(town, run).CheckAsync(TimeSpan.FromSeconds(40), deadline);
        });
    }

    private static int Ok(FaultRun run) => run.History.Calls.Count(static call => call.Ending == Ending.Ok);
}
