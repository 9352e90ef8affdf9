namespace Townhall.Bench;

/// <summary>Repeats a measurement as often as the options say, and does not believe a run that strangers disturbed.</summary>
/// <remarks>Of disturbed tries the least disturbed is taken, and its figures say by how much.</remarks>
internal static class Runs
{
    /// <summary>What others on the machine may use of a core before a run counts as disturbed.</summary>
    private const double OthersMost = 20;

    public static async Task<IReadOnlyList<IReadOnlyList<Figure>>> TakeAsync(
        string name, Options options, Func<Task<IReadOnlyList<Figure>>> measure)
    {
        var runs = new List<IReadOnlyList<Figure>>();
        for (var run = 1; run <= options.Runs; run++)
        {
            IReadOnlyList<Figure>? best = null;
            for (var attempt = 1; attempt <= options.Tries && (best is null || Others(best) > OthersMost); attempt++)
            {
                var speed = Proc.CoreSpeed.Measure(TimeProvider.System);
                IReadOnlyList<Figure> taken = [.. await measure(), speed];
                best = best is null || Others(taken) < Others(best) ? taken : best;
                Report.Progress($"{name} run {run}: {taken[0].Name} {taken[0].Value:f2} {taken[0].Unit}, others {Others(taken):f0} % of a core");
            }

            runs.Add(best!);
        }

        return runs;
    }

    private static double Others(IReadOnlyList<Figure> figures) =>
        figures.Where(static figure => figure.Name == Proc.CpuMeter.Others).Select(static figure => figure.Value).FirstOrDefault();
}
