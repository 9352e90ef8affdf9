using System.Globalization;
using Npgsql;
using Townhall.Bench.Load;
using Townhall.Bench.Town;
using Townhall.Testing;

namespace Townhall.Bench.Benchmarks;

/// <summary>What a long past costs: assignments accepted and tasks drained with millions of ended ones, against the same town without.</summary>
internal sealed class GrowthBenchmark : IBenchmark
{
    private const string Completed = "SELECT completed FROM task_count_now WHERE town = 'town'";
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(5);

    public string Name => "P11";

    private static int Rows(Options options) => options.Rows ?? 10_000_000;

    // Minutes of loading and gigabytes of disk.
    public bool Usual => false;

    public async Task MeasureAsync(Options options, CancellationToken cancellationToken)
    {
        var runs = await Runs.TakeAsync(Name, options, () => RunOnceAsync(options, cancellationToken));
        Report.Print(
            Name,
            $"P1 and P4 with {Rows(options)} ended tasks and {2L * Rows(options)} ledger entries in the database, against the same town before",
            runs,
            new Dictionary<string, string> { ["accepted, ratio"] = "at least 0.85", ["drained, ratio"] = "at least 0.85" },
            "before and after are measured on the same processes, which a first round has warmed up",
            "drained: what the accepting left behind, by another worker each time");
    }

    private static async Task<IReadOnlyList<Figure>> RunOnceAsync(Options options, CancellationToken cancellationToken)
    {
        var length = TimeSpan.FromSeconds(options.Seconds ?? 10);
        // Loading does some 20,000 tasks/s where it is slow.
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(
            cancellationToken, Deadline.Of((12 * length) + TimeSpan.FromSeconds(180 + (Rows(options) / 15_000))));
        var deadline = bound.Token;
        await using var town = await BenchTown.StartAsync(options, TownParts.Dispatcher, deadline);
        var target = town.Townhall.Address;
        var plan = new LoadPlan
        {
            Target = target,
            Requests = await town.SpawnAgentsAsync(target, deadline),
            Callers = options.Callers,
            Duration = length,
        };
        await RoundAsync(town, plan with { Duration = WarmUp }, deadline);
        var empty = await RoundAsync(town, plan, deadline);
        var bytesBefore = await BytesAsync(town, deadline);
        await EndedTasks.LoadAsync(town.Owner, Rows(options), deadline);
        var bytesAfter = await BytesAsync(town, deadline);
        var full = await RoundAsync(town, plan, deadline);
        return
        [
            new("accepted, ratio", full.Accepted / empty.Accepted, "1"), new("drained, ratio", full.Drained / empty.Drained, "1"),
            new("accepted, before", empty.Accepted, "1/s"), new("accepted, after", full.Accepted, "1/s"),
            new("drained, before", empty.Drained, "1/s"), new("drained, after", full.Drained, "1/s"),
            new("disk", (bytesAfter - bytesBefore) / 1e9, "GB"), new("disk a task", (double)(bytesAfter - bytesBefore) / Rows(options), "bytes"),
            new(Proc.CpuMeter.Others, Math.Max(empty.Others, full.Others), "% of a core"),
        ];
    }

    private static async Task<(double Accepted, double Drained, double Others)> RoundAsync(BenchTown town, LoadPlan plan, CancellationToken deadline)
    {
        var meter = town.StartCpuMeter();
        var before = await town.CountAsync(Completed, deadline);
        var load = await LoadThread.RunAsync(plan, TimeProvider.System, deadline);
        await town.LedgerSealedAsync(deadline);
        var queuedAt = await town.ClockAsync(deadline);
        var worker = await town.StartWorkerAsync();
        await Eventually.Is(
            () => town.CountAsync(Completed, deadline), completed => completed == before + load.Calls.Count, deadline,
            $"{load.Calls.Count} tasks to be completed");
        await town.EndWorkerAsync(worker, deadline);
        await town.LedgerSealedAsync(deadline);
        var others = meter.Stop().First(static figure => figure.Name == Proc.CpuMeter.Others).Value;
        return (load.PerSecond, await DrainedAsync(town, queuedAt, deadline), others);
    }

    private static async Task<double> DrainedAsync(BenchTown town, DateTime queuedAt, CancellationToken deadline)
    {
        // No index is by the time of the end; what ended since was accepted in the last minutes.
        await using var command = town.Owner.CreateCommand("""
            SELECT (count(*) FILTER (WHERE completed_at > first))::float8 / extract(epoch FROM max(completed_at) - min(completed_at))::float8
            FROM (SELECT completed_at, min(completed_at) OVER () AS first FROM task_history
                  WHERE id > uuid7_floor($1 - interval '5 minutes') AND completed_at > $1) ended
            """);
        command.Parameters.Add(new NpgsqlParameter<DateTime> { TypedValue = queuedAt });
        return await command.ExecuteScalarAsync(deadline) is double perSecond
            ? perSecond
            : throw new NotMeasuredException(string.Create(CultureInfo.InvariantCulture, $"Nothing was drained since {queuedAt:O}."));
    }

    private static Task<long> BytesAsync(BenchTown town, CancellationToken deadline) =>
        town.CountAsync("SELECT pg_database_size('town')", deadline);
}
