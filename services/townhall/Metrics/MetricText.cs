using System.Globalization;
using System.Text;
using static Townhall.Api.Metrics.MetricFamilies;

namespace Townhall.Api.Metrics;

/// <summary>A reading in Prometheus' text format, version 0.0.4.</summary>
internal static class MetricText
{
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    private static readonly string[] Live = ["pending", "assigned", "running", "waiting"];
    private static readonly string[] Ends = ["completed", "failed", "cancelled", "dead"];

    /// <summary>What can be said when nothing is known: an outage is not zero.</summary>
    public static string Unknown()
    {
        var text = new StringBuilder();
        Say(text, Up, 1);
        Say(text, Ready, 0);
        return text.ToString();
    }

    public static string Of(MetricReading reading, RequestCounts requests, TimeSpan age)
    {
        var text = new StringBuilder(8192);
        var facts = reading.Facts;
        var tasks = facts.Tasks;
        Say(text, Up, 1);
        Say(text, Ready, reading.RedisLatency is null ? 0 : 1);
        Say(text, MetricFamilies.Agents, "state", reading.Agents.ByState);
        Say(text, Pending, tasks["pending"] + tasks["assigned"]);
        Say(text, Completed, tasks["completed"]);
        // Missions are not there yet, so none is active.
        Say(text, Missions, 0);
        if (reading.RedisLatency is { } latency)
        {
            Say(text, RedisLatency, Math.Round(latency.TotalSeconds, 6));
        }

        Say(text, MetricFamilies.Backlog, tasks["pending"]);
        Say(text, AssignedPending, tasks["assigned"]);
        Say(text, Urgent, reading.Agents.Urgent);
        Say(text, MetricFamilies.Tasks, "state", Live.Select(state => KeyValuePair.Create(state, tasks[state])));
        // Every accepted task is somewhere, and nothing leaves the ends: the sum never falls.
        Say(text, Accepted, tasks.Values.Sum());
        Say(text, Ended, "state", Ends.Select(state => KeyValuePair.Create(state, tasks[state])));
        Say(text, Started, Total(facts, "started"));
        Say(text, Attempts, "outcome", Totals(facts, "attempts"));
        Histogram(text, Wait, facts, "wait", WaitBounds);
        Histogram(text, Run, facts, "run", RunBounds);
        Say(text, Entries, "action", Totals(facts, "entries"));
        Say(text, LedgerHead, facts.LedgerHead);
        Say(text, LedgerFolded, facts.LedgerFolded);
        Say(text, LedgerPending, facts.LedgerPending);
        Say(text, LedgerPendingAge, facts.LedgerPendingAge);
        Say(text, OldestWaiting, reading.Agents.OldestWaiting);
        Say(text, OldestSnapshot, facts.OldestSnapshot);
        Say(text, Workers, "state", facts.Workers);
        Say(text, Slots, facts.Slots);
        if (reading.StreamDepth is { } depth)
        {
            Say(text, StreamDepth, depth);
        }

        Say(text, SnapshotAge, age.TotalSeconds);
        Head(text, Requests);
        foreach (var ((route, method, status), count) in requests.All)
        {
            text.Append(CultureInfo.InvariantCulture, $"{Requests.Name}{{route=\"{Escaped(route)}\",method=\"{method}\",status=\"{status}\"}} {count}\n");
        }

        return text.ToString();
    }

    private static void Histogram(StringBuilder text, MetricFamily family, MetricFacts facts, string name, double[] bounds)
    {
        Head(text, family);
        var buckets = Totals(facts, name).ToDictionary(static one => int.Parse(one.Key, CultureInfo.InvariantCulture), static one => one.Value);
        var sum = 0.0;
        for (var i = 0; i < bounds.Length; i++)
        {
            sum += buckets.GetValueOrDefault(i);
            text.Append(CultureInfo.InvariantCulture, $"{family.Name}_bucket{{le=\"{bounds[i]}\"}} {sum}\n");
        }

        sum += buckets.GetValueOrDefault(bounds.Length);
        text.Append(CultureInfo.InvariantCulture, $"{family.Name}_bucket{{le=\"+Inf\"}} {sum}\n");
        text.Append(CultureInfo.InvariantCulture, $"{family.Name}_sum {Total(facts, name + "_sum")}\n{family.Name}_count {sum}\n");
    }

    private static double Total(MetricFacts facts, string name) => facts.Totals.FirstOrDefault(one => one.Name == name).Value;

    private static IEnumerable<KeyValuePair<string, double>> Totals(MetricFacts facts, string name) =>
        facts.Totals.Where(one => one.Name == name).Select(static one => KeyValuePair.Create(one.Label, one.Value));

    private static void Say(StringBuilder text, MetricFamily family, double value)
    {
        Head(text, family);
        text.Append(CultureInfo.InvariantCulture, $"{family.Name} {value}\n");
    }

    private static void Say<T>(StringBuilder text, MetricFamily family, string label, IEnumerable<KeyValuePair<string, T>> values)
    {
        Head(text, family);
        foreach (var (of, value) in values)
        {
            text.Append(CultureInfo.InvariantCulture, $"{family.Name}{{{label}=\"{Escaped(of)}\"}} {value}\n");
        }
    }

    private static void Head(StringBuilder text, MetricFamily family) =>
        text.Append("# HELP ").Append(family.Name).Append(' ').Append(family.Help).Append("\n# TYPE ").Append(family.Name).Append(' ').Append(family.Type).Append('\n');

    private static string Escaped(string label) =>
        label.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
}
