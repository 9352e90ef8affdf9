using Townhall.Testing;

namespace Townhall.Town.Tests;

/// <summary>Whatever is killed while 200 tasks run on 8 agents: the town heals by itself and each task has one recorded result.</summary>
[Collection(nameof(TownCollection))]
public sealed class HealingTests(RunningTown town)
{
    private const int Tasks = 200;

    [Theory]
    [InlineData("Townhall.Api")]
    [InlineData("Townhall.Dispatcher")]
    [InlineData("Townhall.Scaler")]
    [InlineData("Townhall.Notifier")]
    [InlineData("Townhall.Edge")]
    [InlineData("Townhall.AgentWorker")]
    [InlineData("redis-server")]
    [InlineData("postgres")]
    public Task Killing_a_process_loses_and_doubles_nothing(string program) => DisturbAsync(program, deadline =>
    {
        var killed = town.Pids(program);
        Assert.NotEmpty(killed);
        foreach (var pid in killed)
        {
            Signals.Send(pid, Signals.Kill);
        }

        return Task.CompletedTask;
    });

    [Fact]
    public Task Emptying_Redis_loses_and_doubles_nothing() => DisturbAsync("flushall", async deadline =>
    {
        var pid = Assert.Single(town.Pids("redis-server"));
        await RedisCommand.SendAsync(pid, "FLUSHALL", deadline);
    });

    [Fact]
    public Task A_Redis_that_stands_still_for_20_s_delays_nothing_for_ever() => DisturbAsync("standstill", async deadline =>
    {
        var pid = Assert.Single(town.Pids("redis-server"));
        Signals.Send(pid, Signals.Stop);
        try
        {
            // A fault of a stated length, not a wait for something to happen.
            await Task.Delay(TimeSpan.FromSeconds(20), TimeProvider.System, deadline);
        }
        finally
        {
            Signals.Send(pid, Signals.Continue);
        }
    });

    private async Task DisturbAsync(string name, Func<CancellationToken, Task> disturb)
    {
        var deadline = Deadline.Of(TimeSpan.FromSeconds(150));
        var client = town.Client;
        // The town answers again after what the case before did to it.
        await Eventually.Is(true, async () => await client.CountAsync("assigned", deadline) == 0, deadline);
        var before = await client.CountAsync("completed", deadline);
        var head = await client.LedgerHeadAsync(deadline);
        var run = Guid.NewGuid().ToString("N")[..6];
        for (var agent = 0; agent < 8; agent++)
        {
            await client.SpawnAsync($"{name}-{run}-{agent}", "sh", deadline);
        }

        // By eight callers at once, so that most of the work is still to do when the fault comes.
        var assigned = await Task.WhenAll(Enumerable.Range(0, 8).Select(async agent =>
        {
            var mine = new List<Guid>();
            for (var i = agent; i < Tasks; i += 8)
            {
                mine.Add(await client.AssignAsync($"{name}-{run}-{agent}", $"sleep 0.05; echo {i}", deadline));
            }

            return mine;
        }));
        var tasks = assigned.SelectMany(static mine => mine).ToList();

        await Eventually.Is(() => client.CountAsync("completed", deadline), done => done >= before + 10, deadline);
        Assert.InRange(await client.CountAsync("completed", deadline), before + 10, before + Tasks - 1);
        await disturb(deadline);
        await Eventually.Is(() => client.CountAsync("completed", deadline), done => done >= before + Tasks, deadline);

        foreach (var task in tasks)
        {
            var view = await client.TaskAsync(task, deadline);
            Assert.Equal("completed", view.GetProperty("state").GetString());
        }

        // The sequencer may still be moving the last entries into the chain.
        var ends = await Eventually.Is(
            async () => (await client.LedgerAfterAsync(head, deadline)).Where(entry => entry.Action == "TaskCompleted" && tasks.Contains(entry.TaskId!.Value)).ToList(),
            found => found.Count >= Tasks, deadline);
        await client.LedgerAsync(deadline);
        Assert.Equal(tasks.Order(), ends.Select(entry => entry.TaskId!.Value).Order());
        Assert.Equal(before + Tasks, await client.CountAsync("completed", deadline));
    }
}
