using System.Globalization;
using Townhall.Faults;
using Townhall.Faults.Rows;

// usage: long [--seed N] | short [--seed N] | row R [--seed N] [--times N] | list
var seed = Number("--seed") ?? 1;
var plan = args switch
{
    ["long", ..] => Matrix.All.Select(static one => (one, one.Times)),
    ["short", ..] => Matrix.All.Where(static one => one.Short).Select(static one => (one, 1)),
    ["row", var rows, ..] => rows.Split(',').Select(row => (Matrix.Of(int.Parse(row, CultureInfo.InvariantCulture)), Number("--times") ?? 1)),
    ["list", ..] => null,
    _ => throw new ArgumentException("usage: long [--seed N] | short [--seed N] | row R[,R…] [--seed N] [--times N] | list"),
};
if (plan is null)
{
    foreach (var one in Matrix.All)
    {
        Console.WriteLine($"{one.Row,3}  {(one.Short ? "short" : "     ")}  x{one.Times,-4} {one.Fault}");
    }

    return 0;
}

var outcomes = new List<Outcome>();
foreach (var (scenario, times) in plan)
{
    for (var i = 0; i < times; i++)
    {
        var outcome = await Runner.RunAsync(scenario, seed + i);
        outcomes.Add(outcome);
        Console.WriteLine($"{(outcome.Passed ? "ok    " : "FAILED")} row {scenario.Row,-3} seed {outcome.Seed,-6} {outcome.Took.TotalSeconds,6:0.0} s  {outcome.Text}");
    }
}

await Servers.EndAsync();
Console.WriteLine();
Console.WriteLine("| row | fault | runs | failed | longest s |");
Console.WriteLine("|---|---|---|---|---|");
foreach (var row in outcomes.GroupBy(static one => one.Scenario.Row))
{
    Console.WriteLine(
        $"| {row.Key} | {row.First().Scenario.Fault} | {row.Count()} | {row.Count(static one => !one.Passed)} | {row.Max(static one => one.Took.TotalSeconds):0.0} |");
}

return outcomes.TrueForAll(static one => one.Passed) ? 0 : 1;

int? Number(string name) =>
    Array.IndexOf(args, name) is >= 0 and var at && at + 1 < args.Length ? int.Parse(args[at + 1], CultureInfo.InvariantCulture) : null;
