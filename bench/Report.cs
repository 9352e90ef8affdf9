using System.Diagnostics;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Townhall.Testing;

namespace Townhall.Bench;

/// <summary>One measured quantity of one run.</summary>
internal readonly record struct Figure(string Name, double Value, string Unit);

/// <summary>Puts runs together: the median of each figure, every run beside it, and where and on what it was measured.</summary>
internal static class Report
{
    private static readonly JsonSerializerOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Prints one result line.</summary>
    /// <param name="goals">The goal of a figure, where it has one, as <c>at least 15000</c>.</param>
    /// <param name="notes">What a reader has to know to compare the figures with others.</param>
    public static void Print(
        string name, string what, IReadOnlyList<IReadOnlyList<Figure>> runs, IReadOnlyDictionary<string, string> goals, params string[] notes)
    {
        var figures = new JsonObject();
        foreach (var figure in runs[0])
        {
            double[] values = [.. runs.SelectMany(static run => run).Where(one => one.Name == figure.Name).Select(static one => one.Value)];
            var entry = new JsonObject
            {
                ["median"] = Rounded(Percentile(values, 0.5)),
                ["unit"] = figure.Unit,
                ["runs"] = new JsonArray([.. values.Select(static value => (JsonNode)Rounded(value))]),
            };
            if (goals.TryGetValue(figure.Name, out var goal))
            {
                entry["goal"] = goal;
            }

            figures[figure.Name] = entry;
        }

        var line = new JsonObject
        {
            ["name"] = name,
            ["what"] = what,
            ["figures"] = figures,
            ["runs"] = runs.Count,
            ["notes"] = new JsonArray([.. notes.Select(static note => (JsonNode)note)]),
            ["commit"] = Commit(),
            ["machine"] = Machine(),
        };
        Console.Out.WriteLine(line.ToJsonString(Readable));
        Console.Out.Flush();
    }

    public static void Progress(string text) => Console.Error.WriteLine($"bench: {text}");

    /// <summary>The value below which <paramref name="part"/> of the values lie, interpolated between neighbours.</summary>
    public static double Percentile(IReadOnlyCollection<double> values, double part)
    {
        if (values.Count == 0)
        {
            throw new NotMeasuredException("There is nothing to take a percentile of.");
        }

        double[] sorted = [.. values.Order()];
        var at = part * (sorted.Length - 1);
        var below = (int)at;
        var above = Math.Min(below + 1, sorted.Length - 1);
        return sorted[below] + ((sorted[above] - sorted[below]) * (at - below));
    }

    private static double Rounded(double value) =>
        Math.Abs(value) >= 1000 ? Math.Round(value) : Math.Round(value, Math.Abs(value) >= 100 ? 1 : 3);

    private static string Commit()
    {
        var commit = Git("rev-parse --short HEAD");
        // The benchmark's own files and the documents change nothing that is measured.
        return Git("status --porcelain -- . :!bench :!docs").Length == 0 ? commit : $"{commit} with changes";
    }

    private static string Git(string arguments)
    {
        using var git = Process.Start(new ProcessStartInfo("git", arguments)
        {
            WorkingDirectory = Programs.Repository(),
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        });
        var said = git?.StandardOutput.ReadToEnd().Trim();
        return git is not null && git.WaitForExit(10_000) && git.ExitCode == 0 ? said! : "unknown";
    }

    private static string Machine()
    {
        var model = File.ReadLines("/proc/cpuinfo").FirstOrDefault(static line => line.StartsWith("model name", StringComparison.Ordinal));
        var memory = File.ReadLines("/proc/meminfo").First().Split(' ', StringSplitOptions.RemoveEmptyEntries)[1];
        var gigabytes = (long.Parse(memory, CultureInfo.InvariantCulture) + 524_288) / 1_048_576;
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{Environment.ProcessorCount} cores, {model?.Split(':')[1].Trim() ?? "processor unknown"}, {gigabytes} GB, Linux {Environment.OSVersion.Version}, .NET {Environment.Version}");
    }
}
