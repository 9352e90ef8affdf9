using System.Diagnostics;
using System.Text.Json;
using Townhall.Bench.Proc;
using Townhall.Bench.Town;
using Townhall.Testing;

namespace Townhall.Bench.Benchmarks;

/// <summary>Long lists read to their end, page by page, by one caller: how long it takes, and what the service needs for it.</summary>
internal sealed class ListBenchmark : IBenchmark
{
    private const int PageRows = 1000;
    private const int PagesBetweenLooks = 20;
    private const double Megabyte = 1024 * 1024;

    public string Name => "P12";

    // A minute of loading and gigabytes of disk.
    public bool Usual => false;

    public async Task MeasureAsync(Options options, CancellationToken cancellationToken)
    {
        var (agents, tasks) = (options.AgentsSaid ?? 10_000, options.Rows ?? 1_000_000);
        var runs = await Runs.TakeAsync(Name, options, () => RunOnceAsync(options, agents, tasks, cancellationToken));
        Report.Print(
            Name,
            $"all of {agents} agents and then all of {tasks} ended tasks, in pages of {PageRows}, by one caller, directly on townhall",
            runs,
            new Dictionary<string, string>(),
            "memory: proportional set size of townhall; before: with the caches of a few small calls; most: seen every 20 pages",
            "the caller reads and checks every row, in the same machine's time");
    }

    private static async Task<IReadOnlyList<Figure>> RunOnceAsync(Options options, int agents, int tasks, CancellationToken cancellationToken)
    {
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(
            cancellationToken, Deadline.Of(TimeSpan.FromSeconds(600 + (agents / 50) + (tasks / 2000))));
        var deadline = bound.Token;
        await using var town = await BenchTown.StartAsync(options, TownParts.Dispatcher, deadline);
        await town.SpawnAgentsAsync(town.Townhall.Address, deadline, agents);
        await town.LedgerSealedAsync(deadline);
        await EndedTasks.LoadAsync(town.Owner, tasks, deadline);
        await WalkAsync(town, "/v1/agents?limit=10", "agents", pagesMost: 20, deadline);
        await WalkAsync(town, "/v1/tasks?limit=10", "tasks", pagesMost: 20, deadline);

        var before = ProcessTable.Pss(town.Townhall.Process.Pid);
        var meter = town.StartCpuMeter();
        var listed = await WalkAsync(town, $"/v1/agents?limit={PageRows}", "agents", int.MaxValue, deadline);
        var paged = await WalkAsync(town, $"/v1/tasks?limit={PageRows}", "tasks", int.MaxValue, deadline);
        var cpu = meter.Stop();
        if (listed.Rows != agents || paged.Rows != tasks)
        {
            throw new NotMeasuredException($"Of {agents} agents {listed.Rows} were listed, of {tasks} tasks {paged.Rows}.");
        }

        return
        [
            new("agents, all", listed.Taken.TotalMilliseconds, "ms"), new("agents, slowest page", listed.Pages.Max(), "ms"),
            new("tasks, all", paged.Taken.TotalSeconds, "s"), new("tasks, a page, p50", Report.Percentile(paged.Pages, 0.5), "ms"),
            new("tasks, a page, p99", Report.Percentile(paged.Pages, 0.99), "ms"),
            new("tasks, first tenth of the pages, p50", Report.Percentile([.. paged.Pages.Take(Math.Max(1, paged.Pages.Count / 10))], 0.5), "ms"),
            new("tasks, last tenth of the pages, p50", Report.Percentile([.. paged.Pages.TakeLast(Math.Max(1, paged.Pages.Count / 10))], 0.5), "ms"),
            new("memory, before", before / Megabyte, "MB"), new("memory, most", Math.Max(listed.MemoryMost, paged.MemoryMost) / Megabyte, "MB"),
            .. cpu,
        ];
    }

    private static async Task<(int Rows, TimeSpan Taken, List<double> Pages, long MemoryMost)> WalkAsync(
        BenchTown town, string list, string member, int pagesMost, CancellationToken deadline)
    {
        var (rows, most, pages) = (0, 0L, new List<double>());
        var begun = Stopwatch.GetTimestamp();
        for (string? cursor = ""; cursor is not null && pages.Count < pagesMost;)
        {
            var asked = Stopwatch.GetTimestamp();
            var path = cursor.Length == 0 ? list : $"{list}&cursor={cursor}";
            await using var body = await town.Townhall.Client.GetStreamAsync(new Uri(path, UriKind.Relative), deadline);
            using var page = await JsonDocument.ParseAsync(body, cancellationToken: deadline);
            rows += page.RootElement.GetProperty(member).GetArrayLength();
            cursor = page.RootElement.GetProperty("next_cursor").GetString();
            pages.Add(Stopwatch.GetElapsedTime(asked).TotalMilliseconds);
            if (pages.Count % PagesBetweenLooks == 1)
            {
                most = Math.Max(most, ProcessTable.Pss(town.Townhall.Process.Pid));
            }
        }

        return (rows, Stopwatch.GetElapsedTime(begun), pages, most);
    }
}
