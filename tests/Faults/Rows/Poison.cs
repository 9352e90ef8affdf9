using Townhall.Testing;

namespace Townhall.Faults.Rows;

/// <summary>Work that hurts whoever touches it.</summary>
internal static class Poison
{
    /// <summary>Crashing, failing and flooding commands, and one task whose worker dies each time it is started.</summary>
    public static Task Tasks(FaultRun run, CancellationToken deadline) => Scenario.InTownAsync(run, new(Workers: 2, CommandMemoryMb: 256), deadline, async town =>
    {
        var good = await town.AgentsAsync(3, deadline);
        var bad = (await town.AgentsAsync(1, deadline, concurrency: 8, timeout: 5))[0];
        var killer = (await town.AgentsAsync(1, deadline))[0];
        await using var load = Load.Start(town, run, good, clients: 3, TimeSpan.FromMilliseconds(150), deadline);
        await Scenario.LastAsync(3, deadline);
        var usual = await WaitAsync(town, good, "true", deadline);
        Call[] calls =
        [
            await town.Client.AssignAsync(bad, "crash", deadline), await town.Client.AssignAsync(bad, "code 139", deadline),
            await town.Client.AssignAsync(bad, "flood 40", deadline), await town.Client.AssignAsync(bad, "spin 30", deadline),
            await town.Client.AssignAsync(bad, "children 20", deadline), await town.Client.AssignAsync(bad, "memory 2048", deadline),
        ];
        var poison = await town.Client.AssignAsync(killer, "sleep 60", deadline);
        for (var epoch = 1; epoch <= 3; epoch++)
        {
            await town.StartedAsync(poison.Task!.Value, epoch, deadline);
            var pid = await town.TryScalarAsync<int>($"SELECT w.pid FROM task t JOIN worker w ON w.id = t.lease_worker WHERE t.id = '{poison.Task}'", deadline);
            var worker = town.Workers.Single(one => one.Process.Pid == pid);
            await worker.KillAsync(deadline);
            await worker.BeginAsync();
        }

        run.Require(await town.EndedAsync(poison.Task!.Value, deadline) == "dead", "three lost workers did not make the task dead");
        await load.StopAsync();
        foreach (var call in calls)
        {
            await town.EndedAsync(call.Task!.Value, deadline);
        }

        var ends = await town.TryScalarAsync<string>($"""
            SELECT string_agg(split_part(description, E'\n', 1) || ': ' || coalesce(failure_code, state), ', ' ORDER BY description)
            FROM task_history h JOIN agent a ON a.id = h.agent_id WHERE a.name IN ('{bad}', '{killer}')
            """, deadline);
        run.See(ends ?? "");
        await town.QuietAsync(Deadline.Of(TimeSpan.FromSeconds(40)));
        var others = await town.TryScalarAsync<long>(
            $"SELECT count(*) FROM task_history h JOIN agent a ON a.id = h.agent_id WHERE a.name NOT IN ('{bad}', '{killer}') AND state <> 'completed'", deadline);
        run.Require(others == 0, $"{others} tasks of others did not complete");
        var killed = await town.TryScalarAsync<long>(
            $"SELECT count(*) FROM task_history h JOIN agent a ON a.id = h.agent_id WHERE a.name = '{bad}' AND state = 'dead'", deadline);
        run.Require(killed == 0, $"{killed} tasks that killed no worker are dead");
        var most = await town.TryScalarAsync<int>($"SELECT max(crashes) FROM task_history h JOIN agent a ON a.id = h.agent_id WHERE a.name <> '{killer}'", deadline);
        var waited = await WaitAsync(town, good, "crashes = 0", deadline);
        run.See($"innocents lost at most {most} workers; half of the others started after {waited * 1000:0} ms, before the poison {usual * 1000:0} ms");
        run.Require(waited < Math.Max(2 * usual, 0.1), $"others waited {waited * 1000:0} ms beside the poison, {usual * 1000:0} ms before it");
    }, stuckSecs: 60);

    /// <summary>The median time from acceptance to start of tasks of some agents.</summary>
    private static async Task<double> WaitAsync(TownUnderTest town, IEnumerable<string> agents, string which, CancellationToken deadline) => await town.TryScalarAsync<double>($"""
        SELECT coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM started_at - h.created_at)), 0)::float8
        FROM task_history h JOIN agent a ON a.id = h.agent_id
        WHERE a.name IN ({string.Join(", ", agents.Select(static name => $"'{name}'"))}) AND {which}
        """, deadline);

    /// <summary>Rows that no caller could make: the rest of the town goes on.</summary>
    public static Task Rows(FaultRun run, CancellationToken deadline) => Scenario.InTownAsync(run, new(), deadline, async town =>
    {
        string[] wrong =
        [
            "UPDATE agent SET grants = '[]' WHERE name = $1", "UPDATE agent SET grants = '\"text\"' WHERE name = $1",
            "UPDATE agent SET grants = '{\"network\": 7, \"read\": \"x\"}' WHERE name = $1", "UPDATE agent SET grants = 'null' WHERE name = $1",
            "UPDATE agent SET runtime = 'nonsense' WHERE name = $1", "UPDATE agent SET cli = 'sh \"' WHERE name = $1",
            "UPDATE agent SET cli = '' WHERE name = $1",
        ];
        var good = await town.AgentsAsync(3, deadline);
        var bad = await town.AgentsAsync(wrong.Length, deadline);
        for (var i = 0; i < wrong.Length; i++)
        {
            await PostgresLimits.ExecuteAsync(town.Database.Owner, wrong[i].Replace("$1", $"'{bad[i]}'", StringComparison.Ordinal), deadline);
        }

        var poisoned = await Task.WhenAll(bad.Select(agent => town.Client.AssignAsync(agent, "sleep 0.01", deadline)));
        run.Happened(poisoned.All(static call => call.Ending == Ending.Ok), $"{wrong.Length} tasks of agents with impossible rows were accepted");
        await using (var load = Load.Start(town, run, good, clients: 3, TimeSpan.FromMilliseconds(100), deadline))
        {
            await Scenario.LastAsync(5, deadline);
        }

        var slowest = await Eventually.Is(
            () => town.TryScalarAsync<long>($"SELECT count(*) FROM task t JOIN agent a ON a.id = t.agent_id WHERE a.name IN ({string.Join(", ", good.Select(static name => $"'{name}'"))})", deadline),
            static left => left == 0, Deadline.Of(TimeSpan.FromSeconds(20)), "work of sound agents to be done beside the poison");
        var states = await town.TryScalarAsync<string>($"""
            SELECT string_agg(state || coalesce(' ' || failure_code, ''), ', ') FROM (
                SELECT state, NULL AS failure_code, agent_id FROM task UNION ALL SELECT state, failure_code, agent_id FROM task_history) t
            JOIN agent a ON a.id = t.agent_id WHERE a.name IN ({string.Join(", ", bad.Select(static name => $"'{name}'"))})
            """, deadline);
        run.See($"poisoned tasks: {states}, sound ones left: {slowest}");
        foreach (var call in poisoned)
        {
            using var answer = await town.Client.Http.PostAsync(new Uri($"/v1/tasks/{call.Task}/cancel", UriKind.Relative), null, deadline);
        }
    });

    public static Task Output(FaultRun run, CancellationToken deadline)
    {
        var megabytes = run.Seed % 10 == 9 ? 1024 : 64;
        return Scenario.InTownAsync(run, new(), deadline, async town =>
        {
            var agent = (await town.AgentsAsync(1, deadline))[0];
            var call = await town.Client.AssignAsync(agent, $"flood {megabytes}", deadline);
            run.Require(await town.EndedAsync(call.Task!.Value, deadline) == "completed", "the flood was not survived");
            var printed = await town.TryScalarAsync<long>($"SELECT output_bytes FROM task_history WHERE id = '{call.Task}'", deadline);
            var stored = await town.TryScalarAsync<long>($"SELECT coalesce(sum(length(bytes)), 0)::bigint FROM task_output WHERE task_id = '{call.Task}'", deadline);
            var text = await town.TryScalarAsync<byte[]>(
                $"SELECT substring(b.bytes FROM length(b.bytes) - 59) FROM task_history h JOIN blob b ON b.hash = h.result_blob WHERE h.id = '{call.Task}'", deadline) is { } tail
                ? System.Text.Encoding.UTF8.GetString(tail).Trim() : "";
            run.Happened(printed > megabytes * 1048576L, $"{printed} B were printed without a newline");
            run.See($"{stored / 1048576.0:0.0} MiB of {printed / 1048576} MiB kept, result ends with '{text}', worker holds {ProcessTable.Size(town.Workers[0].Process.Pid).ResidentKiB / 1024} MiB");
            run.Require(stored <= 16 * 1048576, $"{stored} B were stored");
            run.Require(text.Contains("[cut:", StringComparison.Ordinal), "the result does not say that it was cut");
            run.Require(ProcessTable.Size(town.Workers[0].Process.Pid).ResidentKiB < 400 * 1024, "the worker grew");
        });
    }

    public static Task GrandchildHoldsOutput(FaultRun run, CancellationToken deadline) => Scenario.InTownAsync(run, new(), deadline, async town =>
    {
        var agent = (await town.AgentsAsync(1, deadline))[0];
        var call = await town.Client.AssignAsync(agent, "holder 30", deadline);
        await town.StartedAsync(call.Task!.Value, 1, deadline);
        run.Happened(true, "a grandchild in a session of its own held standard output for 30 s");
        run.Require(await town.EndedAsync(call.Task.Value, deadline) == "completed", "the attempt did not complete");
        var took = await town.TryScalarAsync<double>($"SELECT extract(epoch FROM completed_at - started_at)::float8 FROM task_history WHERE id = '{call.Task}'", deadline);
        run.See($"ended {took:0.00} s after its start");
        run.Require(took < 3, $"the attempt took {took:0.0} s");
        run.Require(ProcessTable.Marked($"TOWNHALL_TASK_ID={call.Task}").Count == 0, "the grandchild lives on");
    });
}
