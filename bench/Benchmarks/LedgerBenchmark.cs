using System.Globalization;
using Townhall.Bench.Load;
using Townhall.Bench.Town;
using Townhall.Testing;

namespace Townhall.Bench.Benchmarks;

/// <summary>How many entries a second are chained, and verified from the first on.</summary>
internal sealed class LedgerBenchmark : IBenchmark
{
    private const int WrittenRate = 30_000;
    private const string Head = "SELECT seq FROM ledger_head WHERE town = 'town'";

    public string Name => "P9";

    public async Task MeasureAsync(Options options, CancellationToken cancellationToken)
    {
        var runs = await Runs.TakeAsync(Name, options, () => RunOnceAsync(options, cancellationToken));
        Report.Print(
            Name,
            $"the ledger: {options.Entries} entries that wait, then {WrittenRate}/s written by assign-batch, then all of them verified",
            runs,
            new Dictionary<string, string>
            {
                ["sealed, waiting"] = "at least 30000",
                ["sealed, while written"] = "at least 30000",
                ["verified by tt"] = "at least 400000",
            },
            "sealed, waiting: nobody writes; the dispatcher has just started, from its first tenth to the end",
            $"sealed, while written: four callers write up to {WrittenRate} tasks/s, one entry each, for the length of a run",
            "verified by tt: tt ledger verify over HTTP, its start included");
    }

    private static async Task<IReadOnlyList<Figure>> RunOnceAsync(Options options, CancellationToken cancellationToken)
    {
        var length = TimeSpan.FromSeconds(options.Seconds ?? 10);
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, Deadline.Of(length + TimeSpan.FromSeconds(220)));
        var deadline = bound.Token;
        await using var town = await BenchTown.StartAsync(options, TownParts.None, deadline);
        var plan = BatchBenchmark.Plan(town, options);
        await town.SpawnAgentsAsync(town.Townhall.Address, deadline);
        Report.Progress($"writing {options.Entries} entries");
        await LoadThread.RunAsync(plan with { Count = options.Entries / BatchBenchmark.Rows }, TimeProvider.System, deadline);

        var waiting = await town.CountAsync("SELECT count(*) FROM ledger_pending", deadline);
        await town.StartDispatcherAsync(deadline);
        var first = await SealedAsync(town, waiting / 10, deadline);
        var sealing = town.StartCpuMeter();
        var last = await SealedAsync(town, waiting, deadline);
        var sealCpu = sealing.Stop(await town.PostgresLabelsAsync(deadline));

        var before = await SealedAsync(town, waiting, deadline);
        var load = await LoadThread.RunAsync(
            plan with { Rate = WrittenRate / BatchBenchmark.Rows, AtMost = true, Duration = length }, TimeProvider.System, deadline);
        var after = await SealedAsync(town, 0, deadline);
        var left = await town.CountAsync("SELECT count(*) FROM ledger_pending", deadline);
        await town.LedgerSealedAsync(deadline);

        var (entries, verifying, verifyCpu) = await VerifyAsync(town, deadline);
        return
        [
            new("sealed, waiting", PerSecond(first, last), "1/s"), new("sealed, while written", PerSecond(before, after), "1/s"),
            new("written", load.PerSecond * BatchBenchmark.Rows, "1/s"), new("entries left to seal", left, "1"),
            new("verified by tt", entries / verifying.TotalSeconds, "1/s"), new("entries verified", entries, "1"),
            .. sealCpu.Select(static figure => figure.Name == Proc.CpuMeter.Others ? figure : figure with { Name = $"sealing, {figure.Name}" }),
            .. verifyCpu.Where(static figure => figure.Name != Proc.CpuMeter.Others).Select(static figure => figure with { Name = $"verifying, {figure.Name}" }),
        ];
    }

    private static double PerSecond((long Seq, long At) from, (long Seq, long At) to) =>
        (to.Seq - from.Seq) / TimeProvider.System.GetElapsedTime(from.At, to.At).TotalSeconds;

    /// <summary>Where the chain stands, and when, as soon as it stands at <paramref name="least"/>.</summary>
    private static Task<(long Seq, long At)> SealedAsync(BenchTown town, long least, CancellationToken deadline) => Eventually.Is(
        async () => (Seq: await town.CountAsync(Head, deadline), At: TimeProvider.System.GetTimestamp()), one => one.Seq >= least, deadline,
        $"{least} entries to be sealed");

    private static async Task<(long Entries, TimeSpan Time, IReadOnlyList<Figure> Cpu)> VerifyAsync(BenchTown town, CancellationToken deadline)
    {
        var (entries, _) = await SealedAsync(town, 0, deadline);
        Report.Progress($"verifying {entries} entries");
        var meter = town.StartCpuMeter();
        var startedAt = TimeProvider.System.GetTimestamp();
        await using var verify = await KeptProcess.StartAsync(
            "tt", Programs.Dotnet(), [Programs.Built("cli"), "ledger", "verify", "--town-url", town.Townhall.Address.ToString(), "--json"],
            town.Key is { } key ? new() { ["TOWN_API_KEY"] = key } : new Dictionary<string, string>());
        var code = await verify.ExitAsync(deadline);
        var time = TimeProvider.System.GetElapsedTime(startedAt);
        var cpu = meter.Stop(await town.PostgresLabelsAsync(deadline));

        // Sound, and each of them looked at.
        return code == 0 && verify.Log.Contains(string.Create(CultureInfo.InvariantCulture, $"\"checked\":{entries},"), StringComparison.Ordinal)
            ? (entries, time, cpu)
            : throw new NotMeasuredException($"tt ledger verify ended with {code} over {entries} entries: {verify.Log}");
    }
}
