using System.Diagnostics;
using System.Globalization;
using Townhall.Contracts.Tasks;
using Townhall.Simulation.Checks;
using Xunit.Abstractions;

namespace Townhall.Simulation;

/// <summary>docs/simulation.md tells how to read a failure and how to replay it.</summary>
public sealed class SimulationTests(ITestOutputHelper output)
{
    /// <summary>How many of the calls that were begun while nothing went wrong must have been answered.</summary>
    private const double AnsweredLeast = 0.95;

    /// <summary>Every kind of fault; each is there in about half of the runs.</summary>
    private static readonly string[] Faults =
    [
        "SIGTERM", "answer is lost", "conflict", "dispatcher is killed", "dispatcher is stopped", "message is doubled", "message is lost", "network is cut",
        "ring is lost", "scaler is killed", "scaler is stopped", "server goes away", "start fails", "worker is killed", "worker is stopped",
    ];

    private static readonly TimeSpan LongestSearch = TimeSpan.FromMinutes(10);

    [Fact]
    public void A_million_steps_with_faults_break_no_promise()
    {
        var steps = Number("TOWN_SIM_STEPS") ?? 1_000_000;
        var seeds = Number("TOWN_SIM_SEEDS") ?? 1;
        var watch = Stopwatch.StartNew();
        var tally = new Tally();
        var only = Number("TOWN_SIM_SEED");
        long done = 0, leases = 0;
        var runs = 0;
        var endings = new long[8];
        for (var seed = only ?? Number("TOWN_SIM_FROM") ?? 1; only is null ? done < steps || runs < seeds : seed == only; seed++)
        {
            var result = Simulation.Run(new(seed));
            Assert.True(result.Violation is null, Told(result, "A_million_steps"));
            Assert.True(watch.Elapsed < LongestSearch, $"After {LongestSearch} only {runs} runs of {done} steps are done; all of them held.");
            tally.Add(result.Tally);
            done += result.Steps;
            leases += result.Leases;
            runs++;
            for (var state = 0; state < endings.Length; state++)
            {
                endings[state] += result.Endings[state];
            }
        }

        // A green run that tested nothing would look the same: work was leased, and it ended in each of the ways it can.
        if (only is null && steps >= 1_000_000)
        {
            Assert.True(leases > steps / 200, $"only {leases} leases");
            Assert.Equal(Faults, tally.Faults.Where(static fault => fault.Value > 50).Select(static fault => fault.Key).Order(StringComparer.Ordinal));
            Assert.True(tally.Answered >= AnsweredLeast * tally.Calls && tally.Calls > steps / 1000, $"of {tally.Calls} calls in calm {tally.Answered} were answered");
            Assert.All(endings[(int)TaskState.Completed..], static ended => Assert.True(ended > 50, $"only {ended} tasks ended so"));
        }

        output.WriteLine($"{done} steps in {runs} runs and {watch.Elapsed.TotalSeconds:0} s: {leases} leases, ended {string.Join(", ", endings)}");
        output.WriteLine($"faults: {string.Join(", ", tally.Faults.OrderBy(static fault => fault.Key, StringComparer.Ordinal).Select(static fault => $"{fault.Key} {fault.Value}"))}");
        output.WriteLine($"calls in calm: {tally.Answered} of {tally.Calls} answered");
    }

    /// <summary>Drained workers are counted as cycles: each was told that it may end while work was about to come, or was told to stop.</summary>
    [Fact]
    public void Ten_thousand_cycles_of_stopping_and_arriving_strand_nothing()
    {
        const int Cycles = 10_000;
        long done = 0, drained = 0, leases = 0;
        var only = Number("TOWN_SIM_SEED");
        for (var seed = only ?? 1; only is null ? drained < Cycles : seed == only; seed++)
        {
            var result = Simulation.Run(new(seed, Steps: 5_000, Cycles: true));
            Assert.True(result.Violation is null, Told(result, "Ten_thousand_cycles"));
            (done, drained, leases) = (done + result.Steps, drained + result.Drained, leases + result.Leases);
        }

        output.WriteLine($"{drained} workers drained, {leases} leases, {done} steps");
    }

    [Fact]
    public void A_seed_replays_the_same_history()
    {
        for (var seed = 1; seed <= 10; seed++)
        {
            Assert.Equal(Simulation.Run(new(seed)).Trace, Simulation.Run(new(seed)).Trace);
        }
    }

    private static string Told(SimulationResult result, string test) => string.Create(CultureInfo.InvariantCulture, $"""
        Seed {result.Seed} breaks a promise {result.Violation}
        Replay it with: TOWN_SIM_SEED={result.Seed} ./test {test}
        The last events:
        {result.Tail}
        """);

    private static int? Number(string variable) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : null;
}
