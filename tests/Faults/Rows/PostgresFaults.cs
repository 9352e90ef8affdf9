using Npgsql;

namespace Townhall.Faults.Rows;

/// <summary>Postgres restarted, paused: nothing is accepted without it, and nothing that was accepted is lost.</summary>
internal static class PostgresFaults
{
    private static readonly TimeSpan Aftermath = TimeSpan.FromSeconds(4);

    /// <summary>Fast and immediate by turns.</summary>
    public static Task Restarted(FaultRun run, CancellationToken deadline)
    {
        var fast = run.Seed % 2 == 0;
        return UnderLoadAsync(run, deadline, async town =>
        {
            using (run.History.FaultWindow(Aftermath))
            {
                if (fast)
                {
                    await town.Postgres.StopFastAsync(deadline);
                }
                else
                {
                    await town.Postgres.StopAsync(deadline);
                }

                run.Happened(await AwayAsync(town, deadline), $"Postgres was stopped ({(fast ? "fast" : "immediate")})");
                await town.Postgres.StartAgainAsync(deadline);
            }
        });
    }

    public static Task Paused(FaultRun run, CancellationToken deadline)
    {
        var secs = run.Seed % 5 == 4 ? 60 : 5;
        return UnderLoadAsync(run, deadline, async town =>
        {
            using (run.History.FaultWindow(Aftermath))
            {
                town.Postgres.Pause();
                try
                {
                    run.Happened(await AwayAsync(town, deadline), $"Postgres was paused for {secs} s");
                    await Scenario.LastAsync(secs, deadline);
                }
                finally
                {
                    town.Postgres.Resume();
                }
            }
        });
    }

    /// <summary>Load before, during and after; only 503 within the fault, and every answer before its deadline.</summary>
    internal static Task UnderLoadAsync(FaultRun run, CancellationToken deadline, Func<TownUnderTest, Task> fault, TownOptions? options = null, Testing.PostgresInstance? postgres = null) =>
        Scenario.InTownAsync(run, options ?? new(Workers: 2), deadline, async town =>
        {
            var agents = await town.AgentsAsync(4, deadline);
            await using var load = Load.Start(town, run, agents, clients: 4, TimeSpan.FromMilliseconds(80), deadline);
            await Testing.Eventually.Holds(
                () => run.History.Calls.Count(static call => call.Ending == Ending.Ok) > 20, deadline, "calls to succeed");
            await Scenario.LastAsync(1.1 + run.Random.NextDouble(), deadline);
            await fault(town);
            var recovery = await Scenario.TakesWorkAsync(town, run, agents[0], deadline);
            await Scenario.RecoveredAsync(town, run, deadline);
            await load.StopAsync();
            var ended = run.History.Calls.Where(static call => call.Ending != Ending.Open).ToList();
            var slowest = ended.Max(static call => call.Ended - call.Invoked);
            run.See($"accepts again {recovery:0.0} s after, {ended.Count(static call => call.Status == 503)} times 503, slowest call {slowest:0.0} s");
            run.Require(ended.TrueForAll(static call => call.Status is 201 or 503), $"answers other than 201 and 503: {string.Join(", ", ended.Select(static call => call.Status).Distinct())}");
            run.Require(slowest < 6, $"a call took {slowest:0.0} s");
        }, postgres: postgres);

    private static async Task<bool> AwayAsync(TownUnderTest town, CancellationToken deadline)
    {
        await using var probe = new NpgsqlConnection(town.Postgres.ConnectionString("postgres") + ";Pooling=false;Timeout=1");
        try
        {
            await probe.OpenAsync(deadline);
            return false;
        }
        catch (Exception away) when (away is NpgsqlException or TimeoutException)
        {
            return true;
        }
    }
}
