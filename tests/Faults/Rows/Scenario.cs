using Townhall.Testing;

namespace Townhall.Faults.Rows;

/// <summary>One row of the fault matrix.</summary>
/// <param name="Row">Its number, which is permanent.</param>
/// <param name="Fault">What is done to the town, in words.</param>
/// <param name="RunAsync">Does it once, and checks.</param>
/// <param name="Times">Repetitions in the long set, each with a seed of its own.</param>
/// <param name="Short">Whether the short set runs it, once.</param>
/// <param name="BoundSecs">Longest one run, s.</param>
public sealed record Scenario(
    int Row, string Fault, Func<FaultRun, CancellationToken, Task> RunAsync, int Times, bool Short, int BoundSecs = 60)
{
    /// <summary>The usual shape of a scenario: a town, something done to it, and the checks when it is quiet again.</summary>
    internal static async Task InTownAsync(
        FaultRun run, TownOptions options, CancellationToken deadline, Func<TownUnderTest, Task> body, double stuckSecs = 40,
        PostgresInstance? postgres = null, RedisInstance? redis = null)
    {
        await using var town = await TownUnderTest.StartAsync(run, options, deadline, postgres, redis);
        await WatchedAsync(town, run, async () =>
        {
            await body(town);
            await new Checker(town, run).CheckAsync(TimeSpan.FromSeconds(stuckSecs), deadline);
        });
    }

    /// <summary>Keeps what the parts wrote when something goes wrong.</summary>
    internal static async Task WatchedAsync(TownUnderTest town, FaultRun run, Func<Task> body)
    {
        try
        {
            await body();
        }
        catch
        {
            var log = run.History.Save($"row{run.Row}-seed{run.Seed}") + ".log";
            Part[] parts = [town.Townhall, .. town.Dispatchers, .. town.Workers.Where(static one => one.Started)];
            await File.WriteAllTextAsync(log, string.Join("\n\n", parts.Select(static part => part.Log)));
            throw;
        }
    }

    /// <summary>Lets a fault last for a stated time; not a wait for something to happen.</summary>
    internal static Task LastAsync(double seconds, CancellationToken deadline) =>
        Task.Delay(TimeSpan.FromSeconds(seconds), TimeProvider.System, deadline);

    /// <summary>Waits, under load, until nine tenths of what was accepted before the last fault are accepted and done again.</summary>
    internal static async Task RecoveredAsync(TownUnderTest town, FaultRun run, CancellationToken deadline)
    {
        const double Span = 1, Slowest = 30;
        if (run.History.Faulted is not var (from, to, began) || run.History.Calls is not [var first, ..])
        {
            return;
        }

        // Who had just begun before the fault tells nothing about what is usual: of callers with a pace, the first call of each counts
        // too much in a span that is shorter than the one looked at afterwards, and would ask for more than they ever make.
        var before = run.History.Rate(Math.Max(first.Invoked, from - (2 * Span)), from);
        if (from - first.Invoked < Span || before < 5)
        {
            return;
        }

        var finished = await town.TryScalarAsync<long>(
            $"SELECT count(*) FROM task_history WHERE completed_at > '{began:O}'::timestamptz - interval '{Span} s' AND completed_at <= '{began:O}'", deadline);
        var usual = 0.9 * Math.Min(before, finished / Span);
        var looks = new Queue<(double At, long Done)>();
        while (run.History.Now - to < Slowest + Span)
        {
            looks.Enqueue((run.History.Now, await town.TryScalarAsync<long>("SELECT count(*) FROM task_history", deadline)));
            var (at, done) = looks.Last();
            while (looks.Count > 1 && looks.ElementAt(1).At <= at - Span)
            {
                looks.Dequeue();
            }

            var (since, old) = looks.Peek();
            if (at - since >= Span && run.History.Rate(since, at) >= 0.9 * before && (done - old) / (at - since) >= usual)
            {
                var took = Math.Max(0, since - to);
                run.Measure(Measured.Recovery, took);
                run.See($"90 % of {before:0} calls a second {took:0.0} s after the fault");
                return;
            }

            await LastAsync(0.1, deadline);
        }

        run.Require(false, $"{Slowest} s after the fault the town had not come back to 90 % of {before:0} calls a second");
    }

    /// <summary>Assigns work until the town takes it, and says how long that took.</summary>
    internal static async Task<double> TakesWorkAsync(TownUnderTest town, FaultRun run, string agent, CancellationToken deadline)
    {
        var from = run.History.Now;
        await Eventually.Is(
            async () => (await town.Client.AssignAsync(agent, "sleep 0.01", deadline)).Ending, static ending => ending == Ending.Ok, deadline,
            "an assignment to be accepted");
        return run.History.Now - from;
    }
}
