using Townhall.Testing;

namespace Townhall.Faults.Rows;

/// <summary>What a town does after a fault: as much as before, and not more than that.</summary>
internal static class Recovered
{
    private const int WindowSecs = 3;
    private const int BackWithinSecs = 30;

    /// <summary>Something is killed and started again under a steady load: within 30 s throughput is back to nine tenths, and Postgres
    /// is never asked for more than twice as much as before.</summary>
    public static Task Throughput(FaultRun run, CancellationToken deadline) => Scenario.InTownAsync(run, new(Workers: 2, Slots: 32), deadline, async town =>
    {
        var agents = await town.AgentsAsync(8, deadline, fake: false, concurrency: 32);
        await using var load = Load.Start(town, run, agents, clients: 8, TimeSpan.FromMilliseconds(80), deadline);
        await Scenario.LastAsync(2, deadline);      // plans are made, connections are open
        var before = await WindowAsync(town, deadline);
        run.Require(before.Done > 20, $"only {before.Done:0} tasks a second before the fault");

        var what = (run.Seed % 3) switch { 0 => "dispatcher", 1 => "townhall", _ => "Postgres" };
        using (run.History.FaultWindow(TimeSpan.FromSeconds(3)))
        {
            switch (what)
            {
                case "Postgres":
                    await town.Postgres.StopAsync(deadline);
                    await Scenario.LastAsync(1 + run.Random.NextDouble(), deadline);
                    await town.Postgres.StartAgainAsync(deadline);
                    run.Happened(true, "Postgres was killed and started again");
                    break;
                default:
                    var part = what == "townhall" ? town.Townhall : town.Dispatchers[0];
                    await part.KillAsync(deadline);
                    await Scenario.LastAsync(1 + run.Random.NextDouble(), deadline);
                    await part.StartAsync(deadline);
                    break;
            }
        }

        var most = 0.0;
        for (var after = 0; ; after += WindowSecs)
        {
            var now = await WindowAsync(town, deadline);
            most = Math.Max(most, now.Statements);
            if (now.Done >= 0.9 * before.Done)
            {
                run.See($"{what}: {before.Done:0} tasks/s before, {now.Done:0} again in the window {after} to {after + WindowSecs} s after it; "
                    + $"transactions of Postgres {before.Statements:0}/s before, at most {most:0}/s after");
                break;
            }

            run.Require(after + WindowSecs < BackWithinSecs, $"{now.Done:0} tasks/s {after} s after the fault, {before.Done:0} before it");
        }

        run.Require(most <= 2 * before.Statements, $"Postgres had {most:0} transactions/s after the fault and {before.Statements:0}/s before it");
        await load.StopAsync();
    });

    /// <summary>Tasks that ended and transactions that Postgres saw, a second, over the next window.</summary>
    private static async Task<(double Done, double Statements)> WindowAsync(TownUnderTest town, CancellationToken deadline)
    {
        var from = await LookAsync(town, deadline);
        await Scenario.LastAsync(WindowSecs, deadline);
        var to = await LookAsync(town, deadline);
        var seconds = (to.At - from.At).TotalSeconds;
        return ((to.Done - from.Done) / seconds, (to.Statements - from.Statements) / seconds);
    }

    private static async Task<(DateTime At, long Done, long Statements)> LookAsync(TownUnderTest town, CancellationToken deadline)
    {
        var seen = await Eventually.Is<string?>(
            () => town.TryScalarAsync<string>("""
                SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || ' ' || (SELECT count(*) FROM task_history) || ' '
                    || (SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database())
                """, deadline),
            static text => text is not null, deadline, "the database to answer");
        var words = seen!.Split(' ');
        return (DateTime.Parse(words[0], System.Globalization.CultureInfo.InvariantCulture, System.Globalization.DateTimeStyles.RoundtripKind),
            long.Parse(words[1], System.Globalization.CultureInfo.InvariantCulture), long.Parse(words[2], System.Globalization.CultureInfo.InvariantCulture));
    }
}
