using Townhall.Testing;

namespace Townhall.Faults.Rows;

/// <summary>Workers that stand still longer than their leases and come back.</summary>
internal static class Frozen
{
    /// <summary>A worker that holds a dozen leases is stopped while another takes its tasks over: alone (even seeds), or together
    /// with its commands and its warden, as when its machine stands still (odd seeds).</summary>
    /// <remarks>
    /// Some commands end while their worker stands still, before their fence: it wakes with results that nobody wants any more.
    /// A machine that wakes needs a moment to see that it slept; alone, no command may make a step beside its successor.
    /// </remarks>
    public static Task Worker(FaultRun run, CancellationToken deadline) => Scenario.InTownAsync(
        run, new(Workers: 1, Lease: 4, Slots: 16), deadline, async town =>
        {
            const int Tasks = 12;
            const double Step = 0.5;
            // Longer than two leases it counts as lost; before that it is only late.
            var leases = run.Seed / 2 % 2 == 0 ? 3 : 1.7;
            var machine = run.Seed % 2 == 1;
            run.MayOverlap = machine;
            var agents = await town.AgentsAsync(Tasks, deadline, concurrency: 1);
            // From the gate on one ends every half second, the first ones while the worker stands still.
            var calls = await Task.WhenAll(agents.Select((agent, i) => town.Client.AssignAsync(agent, $"again {1 + i} {Step}", deadline)));
            foreach (var call in calls)
            {
                await town.StartedAsync(call.Task!.Value, 1, deadline);
            }

            var heir = town.NewWorker("heir");
            town.Workers.Add(heir);
            await town.StartAllAsync(deadline);
            var frozen = town.Workers[0];
            var held = await town.TryScalarAsync<Guid[]>("SELECT coalesce(array_agg(id), '{}') FROM task WHERE state = 'running' AND attempt = 1", deadline) ?? [];
            run.Require(held.Length == Tasks, $"the worker held only {held.Length} leases");
            int[] others = machine
                ? [.. ProcessTable.ChildrenOf(frozen.Process.Pid), .. held.SelectMany(static task => ProcessTable.Marked($"TOWNHALL_TASK_ID={task}"))] : [];
            var at = ProcessTable.Uptime();
            town.Effects.OpenGate();
            frozen.Freeze(true);
            Array.ForEach(others, static pid => Signals.Send(pid, Signals.Stop));
            try
            {
                await Scenario.LastAsync(leases * town.Lease, deadline);
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
            // What had just ended, or ended while nobody else had its task yet, counts as it is.
            var once = await town.TryScalarAsync<long>($"SELECT count(*) FROM task_history WHERE attempt = 1 AND id IN ({string.Join(", ", held.Select(static id => $"'{id}'"))})", deadline);
            run.Require(again.Count > 0 && again.Count + once == held.Length, $"{held.Length} leases were frozen, {again.Count} tasks taken over and {once} ended by themselves");
            again.ForEach(effect => run.Measure(Measured.Redelivery, (effect.Seconds - at) / (town.Lease + 0.5 + 2)));
            run.Measure(Measured.Frozen, again.Count);
            var refused = await town.TryScalarAsync<long>("SELECT count(*) FROM ledger WHERE action = 'ResultRefused'", deadline);
            run.Measure(Measured.Refused, refused);
            var aside = SideBySide(town);
            run.See($"{again.Count} leases frozen for {leases * town.Lease:0} s {(machine ? "with" : "without")} their machine and taken over, the last after {again.Max(static effect => effect.Seconds) - at:0.0} s, {refused} late results refused, at most {aside} steps side by side");
            run.Require(aside <= (machine ? 2 : 0), $"a resumed attempt made {aside} steps of {Step} s beside its successor");
        }, stuckSecs: 60);

    /// <summary>Steps that an attempt made after its successor began; the most of any task.</summary>
    private static int SideBySide(TownUnderTest town) => town.Effects.Read().GroupBy(static effect => effect.Task).Max(static task =>
    {
        var second = task.Where(static effect => effect.Epoch == 2).Select(static effect => effect.Seconds).DefaultIfEmpty(double.MaxValue).Min();
        return task.Count(effect => effect.Epoch == 1 && effect.Seconds > second + 0.011);
    });
}
