using Townhall.Testing;

namespace Townhall.Faults.Rows;

/// <summary>Workers that stand still longer than their leases and come back.</summary>
internal static class Frozen
{
    /// <summary>A worker is stopped for three leases while another takes its tasks over: alone (even seeds), or together with its
    /// commands, as when its machine stands still (odd seeds).</summary>
    /// <remarks>Alone it cannot stop its commands, so two attempts may make progress side by side: what is promised is one record.</remarks>
    public static Task Worker(FaultRun run, CancellationToken deadline) => Scenario.InTownAsync(
        run, new(Workers: 2, Lease: 1, Slots: 32), deadline, async town =>
        {
            const int Tasks = 12;
            var machine = run.Seed % 2 == 1;
            run.MayOverlap = true;
            var agents = await town.AgentsAsync(Tasks, deadline, concurrency: 1);
            var calls = await Task.WhenAll(agents.Select(agent => town.Client.AssignAsync(agent, "tick 15", deadline)));
            foreach (var call in calls)
            {
                await town.StartedAsync(call.Task!.Value, 1, deadline);
            }

            await Scenario.LastAsync(0.3 * run.Random.NextDouble(), deadline);
            var pid = await town.TryScalarAsync<int>(
                "SELECT w.pid FROM task t JOIN worker w ON w.id = t.lease_worker WHERE t.state = 'running' GROUP BY w.pid ORDER BY count(*) DESC LIMIT 1", deadline);
            var frozen = town.Workers.Single(one => one.Process.Pid == pid);
            var held = await town.TryScalarAsync<Guid[]>(
                $"SELECT coalesce(array_agg(t.id), '{{}}') FROM task t JOIN worker w ON w.id = t.lease_worker WHERE w.pid = {frozen.Process.Pid}", deadline) ?? [];
            run.Require(held.Length > 0, "the worker held nothing");
            frozen.Freeze(true);
            int[] commands = machine ? [.. held.SelectMany(static task => ProcessTable.Marked($"TOWNHALL_TASK_ID={task}"))] : [];
            Array.ForEach(commands, static pid => Signals.Send(pid, Signals.Stop));
            try
            {
                await Scenario.LastAsync(3 * town.Lease, deadline);
            }
            finally
            {
                frozen.Freeze(false);
                Array.ForEach(commands, static pid => Signals.Send(pid, Signals.Continue));
            }

            foreach (var call in calls)
            {
                run.Require(await town.EndedAsync(call.Task!.Value, deadline) == "completed", "a task did not complete");
            }

            var again = await town.TryScalarAsync<long>("SELECT count(*) FROM task_history WHERE attempt > 1", deadline);
            run.Require(again > 0, "nothing was taken over");
            var aside = SideBySide(town);
            run.See($"{held.Length} leases frozen {(machine ? "with" : "without")} their commands, {again} taken over, at most {aside} steps side by side");
            run.Require(!machine || aside <= 5, $"a resumed attempt made {aside} steps of 100 ms beside its successor");
        });

    /// <summary>Steps that an attempt made after its successor began; the most of any task.</summary>
    private static int SideBySide(TownUnderTest town) => town.Effects.Read().GroupBy(static effect => effect.Task).Max(static task =>
    {
        var second = task.Where(static effect => effect.Epoch == 2).Select(static effect => effect.Seconds).DefaultIfEmpty(double.MaxValue).Min();
        return task.Count(effect => effect.Epoch == 1 && effect.Seconds > second);
    });
}
