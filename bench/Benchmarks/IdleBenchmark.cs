using Townhall.Bench.Proc;
using Townhall.Bench.Town;
using Townhall.Testing;

namespace Townhall.Bench.Benchmarks;

/// <summary>What a town costs that has nothing to do: every service, its Redis, its Postgres and its host, and no worker.</summary>
internal sealed class IdleBenchmark : IBenchmark
{
    private const double Megabyte = 1024 * 1024;

    // After a start caches are filled, code is compiled in the background and the garbage of both is still there.
    private static readonly TimeSpan Settling = TimeSpan.FromSeconds(30);

    public string Name => "P10";

    public async Task MeasureAsync(Options options, CancellationToken cancellationToken)
    {
        var runs = await Runs.TakeAsync(Name, options, () => RunOnceAsync(options, cancellationToken));
        Report.Print(
            Name,
            $"an idle town over {options.Seconds ?? 60} s, without a worker",
            runs,
            new Dictionary<string, string> { ["cpu"] = "at most 1", ["memory"] = "at most 700" },
            "cpu: user and system time of the host and everything below it; memory: sum of the proportional set sizes at the end");
    }

    private static async Task<IReadOnlyList<Figure>> RunOnceAsync(Options options, CancellationToken cancellationToken)
    {
        var length = TimeSpan.FromSeconds(options.Seconds ?? 60);
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(
            cancellationToken, Deadline.Of(Settling + length + TimeSpan.FromSeconds(120)));
        await using var town = await FullTown.StartAsync(options, new Dictionary<string, string>(), bound.Token);
        await Task.Delay(Settling, TimeProvider.System, bound.Token);
        var meter = town.StartCpuMeter();
        await Task.Delay(length, TimeProvider.System, bound.Token);
        if (town.HasWorker())
        {
            throw new NotMeasuredException("A worker runs in a town that has nothing to do.");
        }

        var processes = town.Processes();
        var cpu = meter.Stop(processes.DistinctBy(static one => one.Pid).ToDictionary(static one => one.Pid, static one => one.Name));
        var ours = cpu.Where(static one => one.Name.StartsWith("cpu town/", StringComparison.Ordinal)).ToArray();
        var memory = processes.GroupBy(static one => one.Name)
            .Select(static group => new Figure($"memory {group.Key}", group.Sum(static one => ProcessTable.Pss(one.Pid)) / Megabyte, "MB"))
            .ToArray();
        return
        [
            new("cpu", ours.Sum(static one => one.Value), "% of a core"), new("memory", memory.Sum(static one => one.Value), "MB"),
            new("processes", processes.Count, "1"), .. cpu, .. memory,
        ];
    }
}
