using Townhall.Testing;

namespace Townhall.Faults.Rows;

/// <summary>Workers that are told to stop.</summary>
internal static class Stopped
{
    public static Task WithShortWork(FaultRun run, CancellationToken deadline) => Scenario.InTownAsync(run, new(), deadline, async town =>
    {
        var agent = (await town.AgentsAsync(1, deadline))[0];
        var call = await town.Client.AssignAsync(agent, "sleep 2", deadline);
        await town.StartedAsync(call.Task!.Value, 1, deadline);
        await Scenario.LastAsync(run.Random.NextDouble(), deadline);
        var code = await town.Workers[0].Process.StopAsync(deadline);
        run.Happened(town.Workers[0].Process.HasExited, $"SIGTERM to the worker, which ended with {code}");
        run.Require(code == 0, $"the worker ended with {code}");
        run.Require(await town.StateAsync(call.Task.Value, deadline) == "completed", "its task was not finished first");
        run.Require(!town.Effects.Read().Any(static effect => effect.Epoch > 1), "the task was run again");
    });

    public static Task WithLongWork(FaultRun run, CancellationToken deadline) => Scenario.InTownAsync(run, new(DrainSecs: 1), deadline, async town =>
    {
        var agent = (await town.AgentsAsync(1, deadline))[0];
        var call = await town.Client.AssignAsync(agent, "first 50", deadline);
        await town.StartedAsync(call.Task!.Value, 1, deadline);
        var children = ProcessTable.Marked($"TOWNHALL_TASK_ID={call.Task}");
        var spare = town.NewWorker("spare");
        town.Workers.Add(spare);
        await spare.BeginAsync();
        await town.StartAllAsync(deadline);
        await Scenario.LastAsync(run.Random.NextDouble(), deadline);
        var code = await town.Workers[0].Process.StopAsync(deadline);
        run.Happened(true, $"SIGTERM to the worker, which ended with {code}");
        await town.StartedAsync(call.Task.Value, 2, deadline);
        await town.EndedAsync(call.Task.Value, deadline);
        await town.QuietAsync(deadline);
        var gap = await town.TryScalarAsync<double>($"""
            SELECT extract(epoch FROM (SELECT at FROM ledger WHERE task_id = '{call.Task}' AND action = 'TaskStarted' ORDER BY seq DESC LIMIT 1)
                - (SELECT at FROM ledger WHERE task_id = '{call.Task}' AND action = 'TaskReleased'))::float8
            """, deadline);
        run.See($"exit {code}, started elsewhere {gap * 1000:0} ms after the release");
        run.Require(code == 0, $"the worker ended with {code}");
        run.Require(gap is > 0 and < 2, $"{gap:0.0} s between the release and the next start");
        run.Require(!children.Any(Signals.Alive), "processes of the first attempt live");
    });

    /// <summary>A twin comes up under the name of a worker that is still draining; with odd seeds also with its id.</summary>
    public static Task AndReplacedByItsTwin(FaultRun run, CancellationToken deadline) => Scenario.InTownAsync(run, new(Workers: 0), deadline, async town =>
    {
        (string, string)[] id = run.Seed % 2 == 1 ? [("TOWN_WORKER_INCARNATION", Guid.NewGuid().ToString())] : [];
        Part[] twins = [town.NewWorker("twin", id), town.NewWorker("twin", id)];
        town.Workers.AddRange(twins);
        await twins[0].BeginAsync();
        var agent = (await town.AgentsAsync(1, deadline))[0];
        var calls = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => town.Client.AssignAsync(agent, "tick 15", deadline)));
        await town.StartedAsync(calls[0].Task!.Value, 1, deadline);
        twins[0].Process.Signal(Signals.Terminate);
        await Scenario.LastAsync(0.2 * run.Random.NextDouble(), deadline);
        run.Happened(twins[0].Runs, $"a twin with the same name{(id.Length > 0 ? " and id" : "")} started while the first drained");
        await twins[1].BeginAsync();
        if (id.Length > 0)
        {
            // One start of a process has one id: the twin is refused or takes over, and somebody else may be needed.
            var heir = town.NewWorker("heir");
            town.Workers.Add(heir);
            await heir.BeginAsync();
        }

        foreach (var call in calls)
        {
            run.Require(await town.EndedAsync(call.Task!.Value, deadline) == "completed", "a task did not complete");
        }

        var later = await town.Client.AssignAsync(agent, "sleep 0.1", deadline);
        run.Require(await town.EndedAsync(later.Task!.Value, deadline) == "completed", "nobody works");
        var again = await town.TryScalarAsync<long>("SELECT count(*) FROM task_history WHERE attempt > 1", deadline);
        run.See($"same {(id.Length > 0 ? "name and id" : "name")}: {again} of 4 tasks run again{(twins[1].Runs ? "" : ", the twin ended")}");
        run.Require(id.Length > 0 || twins[1].Runs, "a twin with an id of its own ended");
        run.Require(again == 0, "a draining worker was robbed by its twin");
        if (id.Length > 0 && !twins[1].Runs)
        {
            run.Require(twins[1].Process.ExitCode == 78, $"the twin ended with {twins[1].Process.ExitCode}\n{twins[1].Log}");
            run.Require(twins[1].Log.Contains("incarnation", StringComparison.OrdinalIgnoreCase), "the twin did not say why it ended");
        }
    });
}
