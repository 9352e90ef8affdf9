using System.Globalization;
using Townhall.Bench.Load;
using Townhall.Bench.Town;
using Townhall.Testing;

namespace Townhall.Bench.Benchmarks;

/// <summary>How many tasks a second are accepted when they come 500 a call.</summary>
internal sealed class BatchBenchmark : IBenchmark
{
    /// <summary>Tasks of a call.</summary>
    public const int Rows = 500;

    private const int Callers = 4;
    private const int SustainedRate = 25_000;
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(5);

    public string Name => "P3";

    public async Task MeasureAsync(Options options, CancellationToken cancellationToken)
    {
        var runs = await Runs.TakeAsync(Name, options, () => RunOnceAsync(options, cancellationToken));
        Report.Print(
            Name,
            $"POST /v1/tasks/assign-batch, {Rows} tasks a call, {Callers} callers, directly on townhall, {options.Agents} agents",
            runs,
            new Dictionary<string, string>
            {
                ["accepted"] = "at least 50000",
                ["sustained, accepted"] = $"at least {SustainedRate}",
                ["sustained, entries left to seal"] = "as many as are written in a second",
            },
            $"sustained: at most {SustainedRate} tasks/s for twice as long, after everything from before is sealed",
            options.Keys,
            options.WithoutDispatcher ? "no dispatcher: nobody seals the ledger meanwhile" : "the dispatcher seals the ledger meanwhile; no worker runs");
    }

    private static async Task<IReadOnlyList<Figure>> RunOnceAsync(Options options, CancellationToken cancellationToken)
    {
        var length = TimeSpan.FromSeconds(options.Seconds ?? 10);
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, Deadline.Of((3 * length) + TimeSpan.FromSeconds(120)));
        await using var town = await BenchTown.StartAsync(options, options.WithoutDispatcher ? TownParts.None : TownParts.Dispatcher, bound.Token);
        await town.SpawnAgentsAsync(town.Townhall.Address, bound.Token);
        var plan = Plan(town, options) with { Callers = Callers, Duration = WarmUp };
        var warm = await LoadThread.RunAsync(plan, TimeProvider.System, bound.Token);
        var meter = town.StartCpuMeter();
        var load = await LoadThread.RunAsync(plan with { Duration = length }, TimeProvider.System, bound.Token);
        var cpu = meter.Stop(await town.PostgresLabelsAsync(bound.Token));
        var left = await town.CountAsync("SELECT count(*) FROM ledger_pending", bound.Token);

        var sustained = await SustainAsync(town, plan, options, 2 * length, bound.Token);

        // An answer is a promise: what was answered must be in the database, no more and no less.
        var stored = await town.CountAsync("SELECT count(*) FROM task", bound.Token);
        var answered = (warm.Calls.Count + load.Calls.Count + sustained.Calls) * Rows;
        return stored == answered
            ?
            [
                new("accepted", load.PerSecond * Rows, "1/s"), new("answer p50", load.AnswerMs(0.5), "ms"), new("answer p99", load.AnswerMs(0.99), "ms"),
                new("entries left to seal", left, "1"), .. sustained.Figures, .. cpu,
            ]
            : throw new NotMeasuredException($"{answered} tasks were answered for, but there are {stored}.");
    }

    /// <summary>Whole calls of 500 tasks each, for agents in turn.</summary>
    public static LoadPlan Plan(BenchTown town, Options options) => new()
    {
        Target = town.Townhall.Address,
        Requests = [.. Enumerable.Range(0, 16).Select(call => LoadThread.Post(town.Townhall.Address, "/v1/tasks/assign-batch", Body(call, options.Agents), town.Key))],
        Callers = Callers,
        Expected = 200,
        AnswerBytesMost = 256 * 1024,
    };

    private static async Task<(int Calls, Figure[] Figures)> SustainAsync(
        BenchTown town, LoadPlan plan, Options options, TimeSpan length, CancellationToken deadline)
    {
        if (options.WithoutDispatcher)
        {
            return (0, []);
        }

        await town.LedgerSealedAsync(deadline);
        var load = await LoadThread.RunAsync(
            plan with { Rate = SustainedRate / Rows, AtMost = true, Duration = length }, TimeProvider.System, deadline);
        var left = await town.CountAsync("SELECT count(*) FROM ledger_pending", deadline);
        return (load.Calls.Count,
        [
            new("sustained, accepted", load.PerSecond * Rows, "1/s"), new("sustained, answer p99", load.AnswerMs(0.99), "ms"),
            new("sustained, entries left to seal", left, "1"),
        ]);
    }

    /// <summary>Tasks of 200 bytes for agents in turn.</summary>
    private static string Body(int call, int agents) => $$"""{"tasks":[{{string.Join(',', Enumerable.Range(0, Rows).Select(row => string.Create(
        CultureInfo.InvariantCulture,
        $$"""{"agent":"bench-{{((call * Rows) + row) % agents:d4}}","task":"{{new string('x', 200)}}"}""")))}}]}""";
}
