using System.Diagnostics;
using Npgsql;
using Townhall.Testing;

namespace Townhall.Faults.Rows;

/// <summary>How one run ended.</summary>
/// <param name="Text">What was seen, or what went wrong and how to see it again.</param>
public sealed record Outcome(Scenario Scenario, int Seed, bool Passed, TimeSpan Took, string Text, FaultRun Run)
{
    public Figures Figures => new(Scenario.Row, Scenario.Fault, Seed, Passed, Took.TotalSeconds, Run.Tasks, Run.Values);
}

/// <summary>Runs scenarios, one at a time: they measure, and they share two servers.</summary>
public static class Runner
{
    public static async Task<Outcome> RunAsync(Scenario scenario, int seed)
    {
        var run = new FaultRun(scenario.Row, seed);
        var watch = Stopwatch.StartNew();
        try
        {
            // How long the harness itself waits says nothing about the town: a busy machine gets more time.
            await scenario.RunAsync(run, Deadline.Of(TimeSpan.FromSeconds(scenario.BoundSecs * Math.Min(5, ProcessTable.Stretch()))));
            return new(scenario, seed, true, watch.Elapsed, run.Seen, run);
        }
        catch (Exception failure) when (failure is FaultException or EventuallyException or NpgsqlException or HttpRequestException
            or OperationCanceledException or TimeoutException or IOException or MissingProgramException)
        {
            // The next scenario shall not inherit a broken server.
            await Servers.EndAsync();
            var history = run.History.Save($"row{scenario.Row}-seed{seed}");
            return new(scenario, seed, false, watch.Elapsed, $"""
                row {scenario.Row} ({scenario.Fault}) failed with seed {seed}:
                  {(failure is FaultException or EventuallyException or MissingProgramException ? failure.Message : failure.ToString())}
                seen: {run.Seen}
                evidence: {string.Join("; ", run.Evidence)}
                history: {history}
                again: dotnet run -c Release --project tests/Faults -- row {scenario.Row} --seed {seed}
                """, run);
        }
    }
}
