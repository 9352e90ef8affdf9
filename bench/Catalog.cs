using Townhall.Bench.Benchmarks;

namespace Townhall.Bench;

/// <summary>One figure, or a few that are measured together.</summary>
internal interface IBenchmark
{
    string Name { get; }

    /// <summary>Whether it is one of <c>all</c>.</summary>
    bool Usual => true;

    /// <summary>Measures as often as the options say and prints one result line for each thing it measured.</summary>
    Task MeasureAsync(Options options, CancellationToken cancellationToken);
}

/// <summary>Every benchmark there is, in the order <c>all</c> runs them.</summary>
internal static class Catalog
{
    private static readonly IBenchmark[] All =
    [
        new AcceptBenchmark("P1", throughEdge: false), new AcceptBenchmark("P2", throughEdge: true),
        new BatchBenchmark(), new DrainBenchmark(), new LatencyBenchmark(), new ColdStartBenchmark(), new LedgerBenchmark(), new IdleBenchmark(),
        new GrowthBenchmark(), new ListBenchmark(),
    ];

    public static IEnumerable<IBenchmark> Named(string name)
    {
        var named = All.Where(one => (name == "all" && one.Usual) || one.Name.Equals(name, StringComparison.OrdinalIgnoreCase)).ToArray();
        return named.Length > 0 ? named : throw new UsageException($"there is no benchmark '{name}'\n\n{Options.Usage}");
    }
}
