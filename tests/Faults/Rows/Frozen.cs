using Townhall.Testing;

namespace Townhall.Faults.Rows;

/// <summary>Workers that stand still longer than their leases and come back.</summary>
internal static class Frozen
{
    /// <summary>A worker that holds two dozen leases is stopped while another takes its tasks over: alone (even seeds), or together
    /// with its commands and its warden, as when its machine stands still (odd seeds).</summary>
    /// <remarks>
    /// Some commands end while their worker stands still, before their fence: it wakes with results that nobody wants any more.
    /// A machine that wakes needs a moment to see that it slept; alone, no command may make a step beside its successor.
    /// </remarks>
    public static Task Worker(FaultRun run, CancellationToken deadline) => Scenario.InTownAsync(
        run, new(Workers: 1, Lease: 3, Slots: 32), deadline, async town =>
        {
            const int Tasks = 24;
            const double Step = 0.5;
            var machine = run.Seed % 2 == 1;
            run.MayOverlap = machine;
            var agents = await town.AgentsAsync(Tasks, deadline, concurrency: 1);
            // One ends every half second, some of them while the worker stands still.
            var calls = await Task.WhenAll(agents.Select((agent, i) => town.Client.AssignAsync(agent, $"again {6 + i} {Step}", deadline)));
            foreach (var call in calls)
            {
                await town.StartedAsync(call.Task!.Value, 1, deadline);
            }

            var heir = town.NewWorker("heir");
            town.Workers.Add(heir);
            await town.StartAllAsync(deadline);
            var frozen = town.Workers[0];
            var held = await town.TryScalarAsync<Guid[]>("SELECT coalesce(array_agg(id), '{}') FROM task WHERE state = 'running' AND attempt = 1", deadline) ?? [];
            run.Require(held.Length > Tasks / 3, $"the worker held only {held.Length} leases");
            int[] others = machine
                ? [.. ProcessTable.ChildrenOf(frozen.Process.Pid), .. held.SelectMany(static task => ProcessTable.Marked($"TOWNHALL_TASK_ID={task}"))] : [];
            var at = ProcessTable.Uptime();
            frozen.Freeze(true);
            Array.ForEach(others, static pid => Signals.Send(pid, Signals.Stop));
            try
            {
                await Scenario.LastAsync(3 * town.Lease, deadline);
            }
            finally
            {
                frozen.Freeze(false);
                Array.ForEach(others, static pid => Signals.Send(pid, Signals.Continue));
            }

            foreach (var call in calls)
            {
                run.Require(await town.EndedAsync(call.Task!.Value, deadline) == "completed", "a task did not complete");
            }

            await town.QuietAsync(deadline);
            var again = town.Effects.Read().Where(static effect => effect is { Fact: "start", Epoch: 2 }).ToList();
            run.Require(again.Count == held.Length, $"{held.Length} leases were frozen, and {again.Count} tasks taken over");
            again.ForEach(effect => run.Measure(Measured.Redelivery, (effect.Seconds - at) / (town.Lease + 0.5 + 2)));
            run.Measure(Measured.Frozen, held.Length);
            run.Measure(Measured.Refused, await town.TryScalarAsync<long>("SELECT count(*) FROM ledger WHERE action = 'ResultRefused'", deadline));
            var aside = SideBySide(town);
            run.See($"{held.Length} leases frozen {(machine ? "with" : "without")} their machine and taken over, the last after {again.Max(static effect => effect.Seconds) - at:0.0} s, at most {aside} steps side by side");
            run.Require(aside <= (machine ? 1 : 0), $"a resumed attempt made {aside} steps of {Step} s beside its successor");
        }, stuckSecs: 60);

    /// <summary>Steps that an attempt made after its successor began; the most of any task.</summary>
    private static int SideBySide(TownUnderTest town) => town.Effects.Read().GroupBy(static effect => effect.Task).Max(static task =>
    {
        var second = task.Where(static effect => effect.Epoch == 2).Select(static effect => effect.Seconds).DefaultIfEmpty(double.MaxValue).Min();
        return task.Count(effect => effect.Epoch == 1 && effect.Seconds > second + 0.011);
    });
}
