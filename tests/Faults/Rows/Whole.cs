using System.Diagnostics;
using Townhall.Testing;

namespace Townhall.Faults.Rows;

/// <summary>What strikes the whole town at once.</summary>
internal static class Whole
{
    /// <summary>All is down for five minutes with 10,000 tasks due, and 1,000 clients wait for it to come back.</summary>
    public static Task Herd(FaultRun run, CancellationToken deadline) => Scenario.InTownAsync(run, new(Workers: 2, Slots: 256), deadline, async town =>
    {
        const int Due = 10_000;
        var agents = await town.AgentsAsync(8, deadline, fake: false, concurrency: 256);
        await Task.WhenAll(town.Workers.Select(one => one.KillAsync(deadline)));
        await using (var load = Load.Start(town, run, agents, clients: 64, TimeSpan.Zero, deadline))
        {
            await Eventually.Holds(() => run.History.Calls.Count >= Due, deadline, "the tasks");
        }

        await town.Townhall.KillAsync(deadline);
        await town.Dispatchers[0].KillAsync(deadline);
        Task<Call>[] waiting;
        using (run.History.FaultWindow(TimeSpan.FromSeconds(30)))
        {
            await Scenario.LastAsync(300, deadline);
            waiting = [.. Enumerable.Range(0, 1000).Select(i => town.Client.AssignAsync(agents[i % 8], "x", deadline, insist: true))];
            await Scenario.LastAsync(2, deadline);
            await town.StartAllAsync(deadline);
        }

        var watch = Stopwatch.StartNew();
        var calls = await Task.WhenAll(waiting);
        run.See($"1,000 waiting clients served {watch.Elapsed.TotalSeconds:0.0} s after the start");
        run.Require(calls.All(static call => call.Ending == Ending.Ok), "a waiting client was turned away");
        await town.QuietAsync(Deadline.Of(TimeSpan.FromSeconds(60)));
        run.See($"{Due} due tasks done {watch.Elapsed.TotalSeconds:0.0} s after the start");
        run.Require(watch.Elapsed < TimeSpan.FromSeconds(45), "the town did not recover");
    }, stuckSecs: 60);

    /// <summary>More to compute than there are cores, with leases of the usual length.</summary>
    public static Task Starved(FaultRun run, CancellationToken deadline) => Scenario.InTownAsync(run, new(Workers: 1, Lease: 30), deadline, async town =>
    {
        var burners = new List<KeptProcess>();
        try
        {
            for (var i = 0; i < 2 * Environment.ProcessorCount; i++)
            {
                burners.Add(await KeptProcess.StartAsync("burner", "/bin/sh", ["-c", "while :; do :; done"], new Dictionary<string, string>()));
            }

            var agents = await town.AgentsAsync(4, deadline);
            var calls = await Task.WhenAll(agents.Select(agent => town.Client.AssignAsync(agent, "tick 330", deadline)));
            foreach (var call in calls)
            {
                run.Require(await town.EndedAsync(call.Task!.Value, deadline) == "completed", "a task did not complete");
            }

            run.Happened(burners.TrueForAll(static one => !one.HasExited), $"{burners.Count} processes burned {Environment.ProcessorCount} cores");
        }
        finally
        {
            foreach (var burner in burners)
            {
                await burner.DisposeAsync();
            }
        }

        run.Require(await town.TryScalarAsync<long>("SELECT count(*) FROM task_history WHERE attempt <> 1", deadline) == 0, "a live worker was robbed");
        run.See("work longer than a lease ran once");
    });

    /// <summary>The database is put back to an older copy: the town notices, stops, and goes on when an operator accepts it.</summary>
    public static async Task OldBackup(FaultRun run, CancellationToken deadline)
    {
        await using var postgres = await PostgresServer.StartOwnAsync(deadline);
        await Scenario.InTownAsync(run, new(), deadline, async town =>
        {
            var agents = await town.AgentsAsync(2, deadline, fake: false, concurrency: 64);
            run.Require((await town.Client.AssignAsync(agents[0], "x", deadline)).Ending == Ending.Ok, "the town takes no work");
            await town.QuietAsync(deadline);
            Part[] parts = [town.Townhall, .. town.Dispatchers, .. town.Workers];
            await Task.WhenAll(parts.Select(static one => one.Process.StopAsync(Deadline.Usual())));
            await postgres.StopFastAsync(deadline);
            var copy = postgres.Data + "-copy";
            await CopyAsync(postgres.Data, copy, deadline);
            await postgres.StartAgainAsync(deadline);
            await town.StartAllAsync(deadline);

            var later = await Task.WhenAll(Enumerable.Range(0, 20 + run.Random.Next(20)).Select(i => town.Client.AssignAsync(agents[i % 2], "x", deadline)));
            await town.QuietAsync(deadline);
            var kept = await HeadAsync(town, deadline);
            await Task.WhenAll(parts.Select(static one => one.Process.StopAsync(Deadline.Usual())));
            await postgres.StopFastAsync(deadline);
            Directory.Delete(postgres.Data, recursive: true);
            Directory.Move(copy, postgres.Data);
            await postgres.StartAgainAsync(deadline);
            var back = await HeadAsync(town, deadline);
            run.Happened(back.Seq < kept.Seq, $"the chain fell from {kept.Seq} back to {back.Seq}");

            // What was accepted after the copy is gone with it: that is the fault, and the checker is told so.
            run.History.Forget(later);
            await RefusesAsync(town, run, kept, back.Seq, deadline);
            await AcceptsAsync(town, run, kept, deadline);
        }, postgres: postgres);
    }

    /// <summary>The town says what happened, seals nothing over it and gives out no work, although it is asked for some.</summary>
    private static async Task RefusesAsync(TownUnderTest town, FaultRun run, (long Seq, byte[] Hash) kept, long back, CancellationToken deadline)
    {
        await town.Townhall.StartAsync(deadline);
        await town.Dispatchers[0].BeginAsync();
        await Task.WhenAll(town.Workers.Select(static one => one.BeginAsync()));
        await Eventually.Holds(() => town.Dispatchers[0].Process.Log.Contains(Acceptance(kept), StringComparison.Ordinal), deadline, "the dispatcher to name the kept place");
        run.Require((await town.Client.AssignAsync(await AgentAsync(town, deadline), "x", deadline)).Ending == Ending.Ok, "work is no longer accepted");
        // More than a leader's term, a sweep and a lease request.
        await Scenario.LastAsync(7, deadline);
        run.Require(town.Dispatchers[0].Runs, "the dispatcher ended");
        run.Require((await HeadAsync(town, deadline)).Seq == back, "entries were sealed over the lost ones");
        run.Require(await town.TryScalarAsync<long>("SELECT count(*) FROM task WHERE state = 'running'", deadline) == 0, "work was given out");
        using var client = new HttpClient { Timeout = TimeSpan.FromSeconds(5) };
        // Strangers hear that it does not work and which part it is; who may look inside hears why.
        foreach (var (port, path, status, said) in ((int, string, int, string)[])
        [
            (town.Dispatchers[0].Port, "/internal/ready", 503, $"at entry {kept.Seq} "), (town.Townhall.Port, "/v1/status", 200, $"at entry {kept.Seq} "),
            (town.Townhall.Port, "/ready", 503, "ledger"),
        ])
        {
            using var answer = await client.GetAsync(new Uri($"http://127.0.0.1:{port}{path}"), deadline);
            var text = await answer.Content.ReadAsStringAsync(deadline);
            run.Require((int)answer.StatusCode == status && text.Contains(said, StringComparison.Ordinal), $"{path} answers {(int)answer.StatusCode} {text}");
        }

        run.See($"the town itself refused: the kept checkpoint stands at {kept.Seq}, the ledger at {back}");
    }

    /// <summary>An operator means it: the town goes on, and that it was decided is in the ledger.</summary>
    private static async Task AcceptsAsync(TownUnderTest town, FaultRun run, (long Seq, byte[] Hash) kept, CancellationToken deadline)
    {
        await town.Dispatchers[0].Process.StopAsync(Deadline.Usual());
        town.More["TOWN_LEDGER_ACCEPT"] = Acceptance(kept).Split('=')[1];
        await town.StartAllAsync(deadline);
        await town.QuietAsync(deadline);
        run.Require(
            await town.TryScalarAsync<long>("SELECT count(*) FROM ledger WHERE action = 'LedgerRestoreAccepted'", deadline) == 1, "the decision is not in the ledger");
    }

    private static string Acceptance((long Seq, byte[] Hash) kept) =>
        string.Create(System.Globalization.CultureInfo.InvariantCulture, $"TOWN_LEDGER_ACCEPT={kept.Seq}:{Convert.ToHexStringLower(kept.Hash)[..16]}");

    private static async Task<string> AgentAsync(TownUnderTest town, CancellationToken deadline) =>
        (await town.TryScalarAsync<string>("SELECT name FROM agent LIMIT 1", deadline))!;

    private static async Task CopyAsync(string from, string to, CancellationToken deadline)
    {
        await using var copy = await KeptProcess.StartAsync("cp", Programs.Find("cp", "coreutils"), ["-a", from, to], new Dictionary<string, string>());
        if (await copy.ExitAsync(deadline) != 0)
        {
            throw new FaultException($"The backup could not be made: {copy.Log}");
        }
    }

    private static async Task<(long Seq, byte[] Hash)> HeadAsync(TownUnderTest town, CancellationToken deadline)
    {
        var head = await Eventually.Is<string?>(
            () => town.TryScalarAsync<string>($"SELECT seq || ' ' || encode(hash, 'hex') FROM ledger_head WHERE town = '{town.Database.Town}'", deadline),
            static found => found is not null, deadline, "the head");
        var words = head!.Split(' ');
        return (long.Parse(words[0], System.Globalization.CultureInfo.InvariantCulture), Convert.FromHexString(words[1]));
    }
}
