using System.Text.Json;
using Townhall.Bench.Load;
using Townhall.Bench.Town;
using Townhall.Testing;

namespace Townhall.Bench.Benchmarks;

/// <summary>How long a call takes to reach the handler when the town is not busy: through townhall, dispatcher and worker.</summary>
internal sealed class LatencyBenchmark : IBenchmark
{
    public string Name => "P5";

    public async Task MeasureAsync(Options options, CancellationToken cancellationToken)
    {
        var runs = await Runs.TakeAsync(Name, options, () => RunOnceAsync(options, cancellationToken));
        Report.Print(
            Name,
            $"{options.Rate} assignments a second, open loop, from the call to the handler, one waiting worker with {options.Slots} slots",
            runs,
            new Dictionary<string, string> { ["handler p50"] = "at most 2", ["handler p99"] = "at most 6" },
            "handler: completed_at - send, an upper bound: the settling transaction begins after the handler ran and its result came back over HTTP",
            "leased: started_at - send, a lower bound: the leasing transaction begins before the worker has the task",
            "answer: what the caller waited for the 201. All on one machine's clock");
    }

    private static async Task<IReadOnlyList<Figure>> RunOnceAsync(Options options, CancellationToken cancellationToken)
    {
        var length = TimeSpan.FromSeconds(options.Seconds ?? 10);
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, Deadline.Of(length + TimeSpan.FromSeconds(120)));
        var deadline = bound.Token;
        await using var town = await BenchTown.StartAsync(options, TownParts.Dispatcher, deadline);
        var target = town.Townhall.Address;
        var plan = new LoadPlan
        {
            Target = target,
            Requests = await town.SpawnAgentsAsync(target, deadline),
            // Enough for a second in which nothing is answered: an open loop never waits for answers.
            Callers = Math.Max(options.Callers, options.Rate),
            Rate = options.Rate,
            Duration = TimeSpan.FromSeconds(8),
        };
        await town.StartWorkerAsync();
        // As long as it takes the runtime to compile the hot paths in the background; a town that runs has done so.
        await LoadThread.RunAsync(plan, TimeProvider.System, deadline);
        var meter = town.StartCpuMeter();
        var load = await LoadThread.RunAsync(plan with { Duration = length }, TimeProvider.System, deadline);
        var cpu = meter.Stop(await town.PostgresLabelsAsync(deadline));
        await Eventually.Is(
            () => town.CountAsync("SELECT count(*) FROM task", deadline), static live => live == 0, deadline, "every task to end");

        var leased = new List<double>(load.Calls.Count);
        var handled = new List<double>(load.Calls.Count);
        foreach (var call in load.Calls)
        {
            using var task = JsonDocument.Parse(await town.Townhall.Client.GetByteArrayAsync(
                new Uri($"/v1/tasks/{call.Task:D}", UriKind.Relative), deadline));
            leased.Add((task.RootElement.GetProperty("started_at").GetDateTimeOffset() - call.SentAt).TotalMilliseconds);
            handled.Add((task.RootElement.GetProperty("completed_at").GetDateTimeOffset() - call.SentAt).TotalMilliseconds);
        }

        return
        [
            new("handler p50", Report.Percentile(handled, 0.5), "ms"), new("handler p90", Report.Percentile(handled, 0.9), "ms"),
            new("handler p99", Report.Percentile(handled, 0.99), "ms"),
            new("leased p50", Report.Percentile(leased, 0.5), "ms"), new("leased p90", Report.Percentile(leased, 0.9), "ms"),
            new("leased p99", Report.Percentile(leased, 0.99), "ms"),
            new("answer p50", load.AnswerMs(0.5), "ms"), new("answer p99", load.AnswerMs(0.99), "ms"),
            new("latest send", load.LatestMs, "ms"), .. cpu,
        ];
    }
}
