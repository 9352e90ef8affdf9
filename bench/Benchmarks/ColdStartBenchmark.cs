using System.Globalization;
using System.Text.Json;
using Townhall.Bench.Town;
using Townhall.Testing;

namespace Townhall.Bench.Benchmarks;

/// <summary>How long a call takes to reach the handler when no worker process exists: the town has to start one first.</summary>
internal sealed class ColdStartBenchmark : IBenchmark
{
    // The script says itself when it ran, in seconds since 1970.
    private const string SayWhen = "date +%s.%N";
    private static readonly TimeSpan OnceMost = TimeSpan.FromSeconds(30);

    public string Name => "P6";

    public async Task MeasureAsync(Options options, CancellationToken cancellationToken)
    {
        var runs = await Runs.TakeAsync(Name, options, () => RunOnceAsync(options, cancellationToken));
        Report.Print(
            Name,
            $"from zero workers: from the call through the edge to the handler, {options.Repeat} starts of each runtime a run, in a whole town",
            runs,
            new Dictionary<string, string> { ["noop handler p50"] = "at most 500", ["sh handler p50"] = "at most 500" },
            "noop handler: completed_at - send, an upper bound; noop leased: started_at - send, a lower bound",
            "sh handler: the clock as the script itself read it - send; agent with cli sh, sandbox as this machine allows it",
            "TOWN_IDLE_TIMEOUT_SECS=1, so that workers end in between");
    }

    private static async Task<IReadOnlyList<Figure>> RunOnceAsync(Options options, CancellationToken cancellationToken)
    {
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(
            cancellationToken, Deadline.Of(TimeSpan.FromSeconds(60) + (OnceMost * 2 * options.Repeat)));
        await using var town = await FullTown.StartAsync(
            options, new Dictionary<string, string> { ["TOWN_IDLE_TIMEOUT_SECS"] = "1" }, bound.Token);
        await town.SpawnAsync("bench-noop", "noop", bound.Token);
        await town.SpawnAsync("bench-sh", "sh", bound.Token);
        List<double> noopLeased = [], noopHandled = [], shLeased = [], shHandled = [];
        for (var i = 0; i < options.Repeat; i++)
        {
            var (_, sentAt, noop) = await OnceAsync(town, "bench-noop", "nothing", bound.Token);
            noopLeased.Add((noop.GetProperty("started_at").GetDateTimeOffset() - sentAt).TotalMilliseconds);
            noopHandled.Add((noop.GetProperty("completed_at").GetDateTimeOffset() - sentAt).TotalMilliseconds);

            (_, sentAt, var script) = await OnceAsync(town, "bench-sh", SayWhen, bound.Token);
            var said = double.Parse(script.GetProperty("result").GetString()!.Trim(), CultureInfo.InvariantCulture);
            shLeased.Add((script.GetProperty("started_at").GetDateTimeOffset() - sentAt).TotalMilliseconds);
            shHandled.Add((DateTimeOffset.UnixEpoch.AddSeconds(said) - sentAt).TotalMilliseconds);
        }

        return
        [
            .. Of("noop handler", noopHandled), .. Of("noop leased", noopLeased), .. Of("sh handler", shHandled), .. Of("sh leased", shLeased),
        ];
    }

    private static async Task<(Guid Id, DateTimeOffset SentAt, JsonElement Task)> OnceAsync(
        FullTown town, string agent, string work, CancellationToken deadline)
    {
        await Eventually.Holds(() => !town.HasWorker(), deadline, "the last worker to end");
        // A moment of rest: what is measured is a start out of quiet, not out of somebody's end.
        await Task.Delay(TimeSpan.FromSeconds(1), TimeProvider.System, deadline);
        var sentAt = TimeProvider.System.GetUtcNow();
        var id = await town.AssignAsync(agent, work, deadline);
        return (id, sentAt, await town.CompletedAsync(id, deadline));
    }

    private static Figure[] Of(string name, List<double> values) =>
    [
        new($"{name} p50", Report.Percentile(values, 0.5), "ms"), new($"{name} p99", Report.Percentile(values, 0.99), "ms"),
    ];
}
