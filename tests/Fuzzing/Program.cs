using System.Globalization;
using Townhall.Fuzzing;
using Townhall.Testing;

// usage: Townhall.Fuzzing [--valid N] [--mutated N] [--malformed N] [--seed N]   the full run is the default
var seed = Number("--seed") ?? 1;
var (valid, mutated, malformed) = (Number("--valid") ?? 20_000, Number("--mutated") ?? 100_000, Number("--malformed") ?? 20_000);
var deadline = Deadline.Of(TimeSpan.FromMinutes(60));
await using var town = await FuzzTown.StartAsync(deadline);

// As much of everything as makes pools and caches as large as they become; then what comes is growth.
await new FuzzRun(town, new(seed + 1000, valid / 10, mutated / 10)).RunAsync(deadline);
var before = town.Services.ToDictionary(static one => one.Process.Name, FuzzTown.ResidentBytes);
var report = await new FuzzRun(town, new(seed, valid, mutated)).RunAsync(deadline);
Console.WriteLine($"{report.Valid} valid and {report.Mutated} mutated requests in {report.Took.TotalSeconds:0} s, slowest {report.SlowestMs:0} ms, seed {seed}");
Console.WriteLine($"answers: {string.Join(", ", report.Statuses.Select(static one => $"{one.Key} × {one.Value}"))}");
Console.WriteLine($"operations: {string.Join(", ", report.Operations.Select(static one => $"{one.Key} {one.Value}"))}");
Console.WriteLine($"{report.Refused} of the mutated bodies break their schema; each must be refused");
var raw = await MalformedRun.RunAsync(town, seed, malformed, deadline);
Console.WriteLine($"{raw.Sent} malformed requests over raw sockets: {string.Join(", ", raw.Answers.Select(static one => $"{one.Key} × {one.Value}"))}");
var grown = new List<string>();
foreach (var service in town.Services)
{
    var (was, now) = (before[service.Process.Name] / 1e6, FuzzTown.ResidentBytes(service) / 1e6);
    Console.WriteLine(FormattableString.Invariant($"{service.Process.Name}: {was:0} MB resident before, {now:0} MB after ({(now / was) - 1:+0%;-0%})"));
    // Below some thousand requests a heap that finds its size is all one would measure.
    if (mutated >= 10_000 && now > was * 1.1)
    {
        grown.Add(FormattableString.Invariant($"{service.Process.Name} holds {now:0} MB after, {was:0} MB before: more than a tenth more"));
    }
}

string[] failures = [.. report.Failures, .. raw.Failures, .. grown];
Console.WriteLine($"{failures.Length} failures");
foreach (var failure in failures)
{
    Console.WriteLine(failure);
}

return failures.Length == 0 ? 0 : 1;

int? Number(string name) => Array.IndexOf(args, name) is >= 0 and var at && at + 1 < args.Length ? int.Parse(args[at + 1], CultureInfo.InvariantCulture) : null;
