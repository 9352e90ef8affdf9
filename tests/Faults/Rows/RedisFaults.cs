using Townhall.Testing;

namespace Townhall.Faults.Rows;

/// <summary>Redis killed, emptied, paused: it only rings, so nothing but time may be lost.</summary>
internal static class RedisFaults
{
    public static Task Killed(FaultRun run, CancellationToken deadline) => UnderLoadAsync(run, deadline, async town =>
    {
        await town.Redis.StopAsync(deadline);
        run.Happened(!await Ports.ListensAsync(town.Redis.Port, deadline), "Redis was killed");
        await Scenario.LastAsync(1 + run.Random.NextDouble(), deadline);
        await town.Redis.StartAgainAsync(deadline);
    });

    public static Task Emptied(FaultRun run, CancellationToken deadline) => UnderLoadAsync(run, deadline, async town =>
    {
        // What the queue keeps there, everything else, and the connections.
        string[][] commands = [["DEL", $"town:{town.Database.Town}:startable"], ["XTRIM", $"town:{town.Database.Town}:startable", "MAXLEN", "0"], ["FLUSHALL"], ["FLUSHDB"], ["SCRIPT", "FLUSH"], ["CLIENT", "KILL", "TYPE", "pubsub"], ["CLIENT", "KILL", "TYPE", "normal"]];
        await Scenario.LastAsync(run.Random.NextDouble(), deadline);
        foreach (var command in commands.OrderBy(_ => run.Random.Next()))
        {
            var reply = await town.Redis.CommandAsync(deadline, command);
            run.Happened(reply.StartsWith('+') || reply.StartsWith(':'), $"{string.Join(' ', command)} answered {reply.Trim()}");
        }
    });

    public static Task Paused(FaultRun run, CancellationToken deadline)
    {
        var secs = run.Seed % 5 == 4 ? 60 : 5;
        return UnderLoadAsync(run, deadline, async town =>
        {
            var threads = ProcessTable.Size(town.Townhall.Process.Pid).Threads;
            var slow = 0.0;
            town.Redis.Pause();
            try
            {
                run.Happened(await SilentAsync(town, deadline), $"Redis was paused for {secs} s");
                var from = run.History.Now;
                await Scenario.LastAsync(secs, deadline);
                slow = run.History.Calls.Where(call => call.Invoked > from && call.Ending != Ending.Open).Max(static call => call.Ended - call.Invoked);
            }
            finally
            {
                town.Redis.Resume();
            }

            var after = ProcessTable.Size(town.Townhall.Process.Pid).Threads;
            run.See($"paused {secs} s: slowest call {slow * 1000:0} ms, threads {threads} to {after}");
            run.Require(slow < 2, $"a call took {slow:0.0} s while Redis stood still");
            run.Require(after < threads + 20, $"threads grew from {threads} to {after}");
        });
    }

    /// <summary>Load before, during and after; calls must succeed throughout, and work must be done throughout.</summary>
    internal static Task UnderLoadAsync(FaultRun run, CancellationToken deadline, Func<TownUnderTest, Task> fault, RedisInstance? redis = null) =>
        Scenario.InTownAsync(run, new(Workers: 2), deadline, async town =>
        {
            var agents = await town.AgentsAsync(4, deadline);
            await using var load = Load.Start(town, run, agents, clients: 4, TimeSpan.FromMilliseconds(80), deadline);
            await Eventually.Holds(() => run.History.Calls.Count(static call => call.Ending == Ending.Ok) > 20, deadline, "calls to succeed");
            var done = await DoneAsync(town, deadline);
            await fault(town);
            await Eventually.Is(() => DoneAsync(town, deadline), now => now > done + 5, deadline, "work to be done");
            await load.StopAsync();
            var (all, ok) = run.History.Outside();
            run.Require(ok == all, $"{all - ok} of {all} calls failed, though Redis only rings");
        }, redis: redis);

    private static async Task<long> DoneAsync(TownUnderTest town, CancellationToken deadline) =>
        await town.TryScalarAsync<long>("SELECT count(*) FROM task_history", deadline);

    private static async Task<bool> SilentAsync(TownUnderTest town, CancellationToken deadline)
    {
        try
        {
            await town.Redis.CommandAsync(deadline, "PING").WaitAsync(TimeSpan.FromMilliseconds(300), TimeProvider.System, deadline);
            return false;
        }
        catch (TimeoutException)
        {
            return true;
        }
    }
}
