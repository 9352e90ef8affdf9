using Townhall.Bench.Load;
using Townhall.Bench.Town;
using Townhall.Testing;

namespace Townhall.Bench.Benchmarks;

/// <summary>How many assignments a second are accepted: answered with 201, and that only after the commit.</summary>
internal sealed class AcceptBenchmark(string name, bool throughEdge) : IBenchmark
{
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(5);

    public string Name => name;

    public async Task MeasureAsync(Options options, CancellationToken cancellationToken)
    {
        var runs = await Runs.TakeAsync(name, options, () => RunOnceAsync(options, cancellationToken));
        Report.Print(
            name,
            $"POST /v1/tasks/assign, {options.Callers} callers, {(throughEdge ? "through the edge" : "directly on townhall")}, {options.Agents} agents",
            runs,
            new Dictionary<string, string> { ["accepted"] = throughEdge ? "at least 7000" : "at least 15000" },
            options.Keys,
            options.WithoutDispatcher ? "no dispatcher: nobody seals the ledger meanwhile" : "the dispatcher seals the ledger meanwhile; no worker runs");
    }

    private async Task<IReadOnlyList<Figure>> RunOnceAsync(Options options, CancellationToken cancellationToken)
    {
        var length = TimeSpan.FromSeconds(options.Seconds ?? 10);
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, Deadline.Of(length + TimeSpan.FromSeconds(120)));
        var parts = (throughEdge ? TownParts.Edge : TownParts.None) | (options.WithoutDispatcher ? TownParts.None : TownParts.Dispatcher);
        await using var town = await BenchTown.StartAsync(options, parts, bound.Token);
        var target = (throughEdge ? town.Edge! : town.Townhall).Address;
        var plan = new LoadPlan
        {
            Target = target,
            Requests = await town.SpawnAgentsAsync(target, bound.Token),
            Callers = options.Callers,
            Duration = WarmUp,
        };
        var warm = await LoadThread.RunAsync(plan, TimeProvider.System, bound.Token);
        var meter = town.StartCpuMeter();
        var load = await LoadThread.RunAsync(plan with { Duration = length }, TimeProvider.System, bound.Token);
        var cpu = meter.Stop(await town.PostgresLabelsAsync(bound.Token));
        var left = await town.CountAsync("SELECT count(*) FROM ledger_pending", bound.Token);

        // An answer is a promise: what was answered must be in the database, no more and no less.
        var stored = await town.CountAsync("SELECT count(*) FROM task", bound.Token);
        return stored == warm.Calls.Count + load.Calls.Count
            ?
            [
                new("accepted", load.PerSecond, "1/s"), new("answer p50", load.AnswerMs(0.5), "ms"), new("answer p99", load.AnswerMs(0.99), "ms"),
                new("entries left to seal", left, "1"), .. cpu,
            ]
            : throw new NotMeasuredException($"{warm.Calls.Count + load.Calls.Count} calls were answered with 201, but there are {stored} tasks.");
    }
}
