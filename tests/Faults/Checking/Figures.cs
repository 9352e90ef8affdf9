using System.Globalization;
using System.Text.Json;

namespace Townhall.Faults;

/// <summary>What one run leaves for the closing table, as one JSON line.</summary>
/// <param name="Values">Measured values by name; see <see cref="Measured"/>.</param>
public sealed record Figures(int Row, string Fault, int Seed, bool Passed, double Secs, long Tasks, IReadOnlyDictionary<string, double[]> Values)
{
    public static void Append(string file, Figures one) => File.AppendAllText(file, JsonSerializer.Serialize(one) + "\n");

    public static IReadOnlyList<Figures> Read(string file) =>
        [.. File.ReadLines(file).Where(static line => line.Length > 0).Select(static line => JsonSerializer.Deserialize<Figures>(line)!)];

    /// <summary>The closing table of a long set, as Markdown.</summary>
    public static IEnumerable<string> Table(IReadOnlyCollection<Figures> all)
    {
        yield return "| Row | Fault | Runs | Failed | Tasks | Longest, s |";
        yield return "|---|---|---|---|---|---|";
        foreach (var row in all.GroupBy(static one => one.Row).OrderBy(static row => row.Key))
        {
            yield return Text($"| {row.Key} | {row.First().Fault} | {row.Count()} | {row.Count(static one => !one.Passed)} | {row.Sum(static one => one.Tasks)} | {row.Max(static one => one.Secs):0.0} |");
        }

        yield return "";
        yield return "| Over all | |";
        yield return "|---|---|";
        yield return Text($"| runs, failed ones | {all.Count}, {all.Count(static one => !one.Passed)} |");
        yield return Text($"| tasks | {all.Sum(static one => one.Tasks)} |");
        foreach (var (name, words) in Measured.Words)
        {
            double[] values = [.. all.SelectMany(one => one.Values.GetValueOrDefault(name, [])).Order()];
            if (values.Length > 0)
            {
                yield return Text($"| {words}: how many, sum, p50, p95, most | {values.Length}, {values.Sum():0.##}, {At(values, 0.5):0.00}, {At(values, 0.95):0.00}, {values[^1]:0.00} |");
            }
        }

        static double At(double[] sorted, double share) => sorted[(int)Math.Ceiling(share * sorted.Length) - 1];
        static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
    }
}

/// <summary>What is measured in many rows.</summary>
public static class Measured
{
    /// <summary>From the loss of a worker to the next start of its task, as a share of what is allowed (lease, reaper's period, 2 s).</summary>
    public const string Redelivery = "redelivery";

    /// <summary>From the end of a fault to nine tenths of what was accepted and done before it, s.</summary>
    public const string Recovery = "recovery";

    /// <summary>Attempts whose worker was frozen beyond its lease.</summary>
    public const string Frozen = "frozen";

    /// <summary>Late results of replaced attempts that were refused.</summary>
    public const string Refused = "refused";

    /// <summary>Results that are not those of the row's attempt.</summary>
    public const string Stale = "stale";

    public static readonly IReadOnlyDictionary<string, string> Words = new Dictionary<string, string>
    {
        [Redelivery] = "redelivery after a lost worker, of what is allowed",
        [Recovery] = "recovery to 90 % after a fault, s",
        [Frozen] = "attempts frozen beyond their leases, per run",
        [Refused] = "late results refused, per run",
        [Stale] = "stale results recorded, per run",
    };
}
