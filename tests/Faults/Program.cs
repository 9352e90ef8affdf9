using System.Globalization;
using Townhall.Faults;
using Townhall.Faults.Rows;

// usage: long [--seed N] | short [--seed N] | row R[,R…] [--seed N] [--times N] | soak [--seed N] [--minutes N] | table FILE… | list
Orphanage.Watch();
if (args is ["table", .. var files])
{
    foreach (var line in Figures.Table([.. files.SelectMany(Figures.Read)]))
    {
        Console.WriteLine(line);
    }

    return 0;
}

var seed = Number("--seed") ?? 1;
var figures = Array.IndexOf(args, "--figures") is >= 0 and var named && named + 1 < args.Length ? args[named + 1] : null;
if (args is ["soak", ..])
{
    return await Soak.RunAsync(seed, TimeSpan.FromMinutes(Number("--minutes") ?? 60)) ? 0 : 1;
}

var plan = args switch
{
    ["long", ..] => Matrix.All.Select(static one => (one, one.Times)),
    ["short", ..] => Matrix.All.Where(static one => one.Short).Select(static one => (one, 1)),
    ["row", var rows, ..] => rows.Split(',').Select(row => (Matrix.Of(int.Parse(row, CultureInfo.InvariantCulture)), Number("--times") ?? 1)),
    ["list", ..] => null,
    _ => throw new ArgumentException("usage: long [--seed N] | short [--seed N] | row R[,R…] [--seed N] [--times N] | soak [--seed N] [--minutes N] | table FILE… | list; --figures FILE keeps one JSON line a run"),
};
if (plan is null)
{
    foreach (var one in Matrix.All)
    {
        Console.WriteLine($"{one.Row,3}  {(one.Short ? "short" : "     ")}  x{one.Times,-4} {one.Fault}");
    }

    return 0;
}

var all = new List<Figures>();
foreach (var (scenario, times) in plan)
{
    for (var i = 0; i < times; i++)
    {
        var outcome = await Runner.RunAsync(scenario, seed + i);
        all.Add(outcome.Figures);
        if (figures is not null)
        {
            Figures.Append(figures, outcome.Figures);
        }

        Console.WriteLine($"{(outcome.Passed ? "ok    " : "FAILED")} row {scenario.Row,-3} seed {outcome.Seed,-6} {outcome.Took.TotalSeconds,6:0.0} s  {outcome.Text}");
    }
}

await Servers.EndAsync();
Console.WriteLine();
foreach (var line in Figures.Table(all))
{
    Console.WriteLine(line);
}

return all.TrueForAll(static one => one.Passed) ? 0 : 1;

int? Number(string name) =>
    Array.IndexOf(args, name) is >= 0 and var at && at + 1 < args.Length ? int.Parse(args[at + 1], CultureInfo.InvariantCulture) : null;
