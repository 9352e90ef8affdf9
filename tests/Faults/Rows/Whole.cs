using System.Diagnostics;
using Townhall.Ledger;
using Townhall.Testing;

namespace Townhall.Faults.Rows;

/// <summary>What strikes the whole town at once.</summary>
internal static class Whole
{
    /// <summary>All is down with 10,000 tasks due, and 1,000 clients wait for it to come back.</summary>
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

    /// <summary>The database is put back to an older copy; whoever kept a head of the chain can tell.</summary>
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

            var entries = await new LedgerReader(town.Database.Owner).AfterAsync(town.Database.Town, 0, 100_000, deadline);
            var verdict = await LedgerVerifier.VerifyAsync(StreamAsync(entries), kept, deadline);
            run.See($"against the kept head: {verdict.Why}");
            run.Require(verdict.FirstBad == back.Seq + 1, "the verifier did not name the first missing entry");
            // What was accepted after the copy is gone with it: that is the fault, and the checker is told so.
            run.History.Forget(later);
            await town.StartAllAsync(deadline);
        }, postgres: postgres);
    }

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

    private static async IAsyncEnumerable<LedgerEntry> StreamAsync(IEnumerable<LedgerEntry> entries)
    {
        foreach (var entry in entries)
        {
            yield return entry;
        }

        await Task.CompletedTask;
    }
}
