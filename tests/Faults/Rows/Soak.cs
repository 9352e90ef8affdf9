using System.Globalization;
using Townhall.Testing;

namespace Townhall.Faults.Rows;

/// <summary>Mixed faults for a long time, and whether the services that live through them grow.</summary>
public static class Soak
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(5);

    /// <summary>What a service held at one look.</summary>
    private sealed record Look(double At, int Threads, int ResidentKiB, int Files);

    /// <returns>Whether all checks held and nothing grew by more than a megabyte a minute after the first quarter.</returns>
    public static async Task<bool> RunAsync(int seed, TimeSpan length)
    {
        var deadline = Deadline.Of(length + TimeSpan.FromMinutes(10));
        var run = new FaultRun(0, seed);
        try
        {
            await Scenario.InTownAsync(run, new(Dispatchers: 2, Workers: 3, Edge: true), deadline, town => TroubleAsync(town, run, length, deadline), stuckSecs: 120);
            Console.WriteLine($"ok: {run.Seen}");
            return true;
        }
        catch (Exception failure) when (failure is FaultException or EventuallyException or OperationCanceledException)
        {
            Console.WriteLine($"FAILED: {failure.Message}\n{run.Seen}\nhistory: {run.History.Save($"soak-seed{seed}")}");
            return false;
        }
        finally
        {
            await Servers.EndAsync();
        }
    }

    private static async Task TroubleAsync(TownUnderTest town, FaultRun run, TimeSpan length, CancellationToken deadline)
    {
        (string Name, int Pid)[] living =
        [
            ("townhall", town.Townhall.Process.Pid), ("edge", town.Edge!.Process.Pid), ("dispatcher 1", town.Dispatchers[0].Process.Pid),
            ("dispatcher 2", town.Dispatchers[1].Process.Pid), ("worker", town.Workers[0].Process.Pid),
        ];
        var looks = living.ToDictionary(static one => one.Name, static _ => new List<Look>());
        var light = await town.AgentsAsync(4, deadline, fake: false, concurrency: 64);
        var real = await town.AgentsAsync(4, deadline);
        await using var many = Load.Start(town, run, light, clients: 8, TimeSpan.FromMilliseconds(50), deadline, insist: true);
        await using var few = Load.Start(town, run, real, clients: 2, TimeSpan.FromMilliseconds(500), deadline, insist: true);
        var faults = Faults(town, run, deadline);
        var told = new Dictionary<string, int>();
        var nextFault = 10.0;
        while (run.History.Now < length.TotalSeconds)
        {
            foreach (var (name, pid) in living)
            {
                var (threads, resident, files) = ProcessTable.Size(pid);
                looks[name].Add(new(run.History.Now, threads, resident, files));
            }

            if (run.History.Now >= nextFault)
            {
                var (what, fault) = faults[run.Random.Next(faults.Length)];
                using (run.History.FaultWindow(TimeSpan.FromSeconds(8)))
                {
                    await fault();
                }

                told[what] = told.GetValueOrDefault(what) + 1;
                run.Happened(true, what);
                nextFault = run.History.Now + 8 + (8 * run.Random.NextDouble());
            }

            await Scenario.LastAsync(LookEvery.TotalSeconds, deadline);
        }

        await many.StopAsync();
        await few.StopAsync();
        run.See($"{length.TotalMinutes:0} min, {run.History.Calls.Count} calls, faults: {string.Join(", ", told.Select(static one => $"{one.Key} {one.Value} times"))}");
        foreach (var (name, all) in looks)
        {
            var warm = all.Where(look => look.At > length.TotalSeconds / 4).ToList();
            var slope = Slope(warm) * 60 / 1024;
            run.See(string.Create(CultureInfo.InvariantCulture,
                $"{name}: {warm[0].ResidentKiB / 1024} to {warm[^1].ResidentKiB / 1024} MiB ({slope:0.00} MiB/min), threads {warm.Min(static one => one.Threads)} to {warm.Max(static one => one.Threads)}, then {warm[^1].Threads}, files {warm.Min(static one => one.Files)} to {warm.Max(static one => one.Files)}, then {warm[^1].Files}"));
            run.Require(length < TimeSpan.FromMinutes(20) || slope < 1, $"{name} grew by {slope:0.00} MiB/min");
        }

        run.Require(living.All(static one => Signals.Alive(one.Pid)), "a service that nobody killed has ended");
    }

    private static (string What, Func<Task> Fault)[] Faults(TownUnderTest town, FaultRun run, CancellationToken deadline) =>
    [
        ("Redis killed", async () =>
        {
            await town.Redis.StopAsync(deadline);
            await Scenario.LastAsync(1, deadline);
            await town.Redis.StartAgainAsync(deadline);
        }),
        ("Redis emptied", () => town.Redis.CommandAsync(deadline, "FLUSHALL")),
        ("Redis paused", async () =>
        {
            town.Redis.Pause();
            await Scenario.LastAsync(3, deadline);
            town.Redis.Resume();
        }),
        ("Postgres restarted", async () =>
        {
            await town.Postgres.StopFastAsync(deadline);
            await town.Postgres.StartAgainAsync(deadline);
        }),
        ("Postgres crashed", async () =>
        {
            await town.Postgres.StopAsync(deadline);
            await town.Postgres.StartAgainAsync(deadline);
        }),
        ("Postgres paused", async () =>
        {
            town.Postgres.Pause();
            await Scenario.LastAsync(3, deadline);
            town.Postgres.Resume();
        }),
        ("a worker killed", async () =>
        {
            var worker = town.Workers[1 + run.Random.Next(2)];
            await worker.KillAsync(deadline);
            await worker.BeginAsync();
        }),
        ("workers cut off", async () =>
        {
            town.WorkerToDispatcher.Partition();
            await Scenario.LastAsync(2 * town.Lease, deadline);
            town.WorkerToDispatcher.Heal();
        }),
        ("connections reset", () =>
        {
            foreach (var proxy in town.Proxies)
            {
                proxy.ResetAll();
            }

            return Task.CompletedTask;
        }),
        ("slow network", async () =>
        {
            foreach (var proxy in town.Proxies)
            {
                proxy.ToServer.Delay = TimeSpan.FromMilliseconds(50);
            }

            await Scenario.LastAsync(5, deadline);
            foreach (var proxy in town.Proxies)
            {
                proxy.Heal();
            }
        }),
    ];

    /// <summary>KiB a second, by least squares.</summary>
    private static double Slope(List<Look> looks)
    {
        var (x, y) = (looks.Average(static one => one.At), looks.Average(static one => (double)one.ResidentKiB));
        var spread = looks.Sum(one => (one.At - x) * (one.At - x));
        return spread == 0 ? 0 : looks.Sum(one => (one.At - x) * (one.ResidentKiB - y)) / spread;
    }
}
