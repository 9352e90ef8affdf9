using System.Globalization;
using System.Text;
using static Townhall.Api.Metrics.MetricFamilies;

namespace Townhall.Api.Metrics;

/// <summary>A reading in Prometheus' text format, version 0.0.4.</summary>
internal static class MetricText
{
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

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
        var known = MetricValues.Of(reading, age).ToDictionary(static one => one.Family);
        foreach (var family in All)
        {
            if (family == Wait)
            {
                Histogram(text, Wait, reading.Facts, "wait", WaitBounds);
            }
            else if (family == Run)
            {
                Histogram(text, Run, reading.Facts, "run", RunBounds);
            }
            else if (family == Requests)
            {
                Answers(text, requests);
            }
            else if (known.TryGetValue(family, out var values))
            {
                Say(text, values);
            }
        }

        return text.ToString();
    }

    private static void Answers(StringBuilder text, RequestCounts requests)
    {
        Head(text, Requests);
        foreach (var ((route, method, status), count) in requests.All)
        {
            text.Append(CultureInfo.InvariantCulture, $"{Requests.Name}{{route=\"{Escaped(route)}\",method=\"{method}\",status=\"{status}\"}} {count}\n");
        }
    }

    private static void Histogram(StringBuilder text, MetricFamily family, MetricFacts facts, string name, double[] bounds)
    {
        Head(text, family);
        var buckets = facts.By(name).ToDictionary(static one => int.Parse(one.Key, CultureInfo.InvariantCulture), static one => one.Value);
        var sum = 0.0;
        for (var i = 0; i < bounds.Length; i++)
        {
            sum += buckets.GetValueOrDefault(i);
            text.Append(CultureInfo.InvariantCulture, $"{family.Name}_bucket{{le=\"{bounds[i]}\"}} {sum}\n");
        }

        sum += buckets.GetValueOrDefault(bounds.Length);
        text.Append(CultureInfo.InvariantCulture, $"{family.Name}_bucket{{le=\"+Inf\"}} {sum}\n");
        text.Append(CultureInfo.InvariantCulture, $"{family.Name}_sum {facts.Total(name + "_sum")}\n{family.Name}_count {sum}\n");
    }

    private static void Say(StringBuilder text, MetricFamily family, double value) => Say(text, MetricValues.One(family, value));

    private static void Say(StringBuilder text, MetricValues values)
    {
        Head(text, values.Family);
        foreach (var (of, value) in values.Values)
        {
            var label = values.Label is null ? "" : $"{{{values.Label}=\"{Escaped(of)}\"}}";
            text.Append(CultureInfo.InvariantCulture, $"{values.Family.Name}{label} {value}\n");
        }
    }

    private static void Head(StringBuilder text, MetricFamily family) =>
        text.Append("# HELP ").Append(family.Name).Append(' ').Append(family.Help).Append("\n# TYPE ").Append(family.Name).Append(' ').Append(family.Type).Append('\n');

    private static string Escaped(string label) =>
        label.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
}
