using static Townhall.Api.Metrics.MetricFamilies;

namespace Townhall.Api.Metrics;

/// <summary>What a reading says of one family: what the page shows and OTLP sends is the same.</summary>
/// <param name="Label">The name of its one label; null when it has none, and one value.</param>
internal sealed record MetricValues(MetricFamily Family, string? Label, IReadOnlyList<KeyValuePair<string, double>> Values)
{
    private static readonly string[] Live = ["pending", "assigned", "running", "waiting"];
    private static readonly string[] Ends = ["completed", "failed", "cancelled", "dead"];

    public static MetricValues One(MetricFamily family, double value) => new(family, null, [KeyValuePair.Create("", value)]);

    /// <summary>All families that a reading has values of; histograms and what belongs to one process are not among them.</summary>
    public static IEnumerable<MetricValues> Of(MetricReading reading, TimeSpan age)
    {
        var facts = reading.Facts;
        var tasks = facts.Tasks;
        yield return One(Up, 1);
        yield return One(Ready, reading.RedisLatency is null ? 0 : 1);
        yield return By(MetricFamilies.Agents, "state", reading.Agents.ByState);
        yield return One(Pending, tasks["pending"] + tasks["assigned"]);
        yield return One(Completed, tasks["completed"]);
        // Missions are not there yet, so none is active.
        yield return One(Missions, 0);
        if (reading.RedisLatency is { } latency)
        {
            yield return One(RedisLatency, Math.Round(latency.TotalSeconds, 6));
        }

        yield return One(MetricFamilies.Backlog, tasks["pending"]);
        yield return One(AssignedPending, tasks["assigned"]);
        yield return One(Urgent, reading.Agents.Urgent);
        yield return By(MetricFamilies.Tasks, "state", Live.Select(state => KeyValuePair.Create(state, tasks[state])));
        // Every accepted task is somewhere, and nothing leaves the ends: the sum never falls.
        yield return One(Accepted, tasks.Values.Sum());
        yield return By(Ended, "state", Ends.Select(state => KeyValuePair.Create(state, tasks[state])));
        yield return One(Started, facts.Total("started"));
        yield return new(Attempts, "outcome", [.. facts.By("attempts")]);
        yield return new(Entries, "action", [.. facts.By("entries")]);
        yield return One(LedgerHead, facts.LedgerHead);
        yield return One(LedgerFolded, facts.LedgerFolded);
        yield return One(LedgerPending, facts.LedgerPending);
        yield return One(LedgerPendingAge, facts.LedgerPendingAge);
        yield return One(OldestWaiting, reading.Agents.OldestWaiting);
        yield return One(OldestSnapshot, facts.OldestSnapshot);
        yield return By(Workers, "state", facts.Workers);
        yield return One(Slots, facts.Slots);
        if (reading.StreamDepth is { } depth)
        {
            yield return One(StreamDepth, depth);
        }

        yield return One(SnapshotAge, age.TotalSeconds);
    }

    private static MetricValues By(MetricFamily family, string label, IEnumerable<KeyValuePair<string, long>> values) =>
        new(family, label, [.. values.Select(static one => KeyValuePair.Create(one.Key, (double)one.Value))]);
}
