using Townhall.Testing;

namespace Townhall.Town.Tests;

/// <summary>Workers come with the work and leave with it.</summary>
[Collection(nameof(TownCollection))]
public sealed class ScaleTests(RunningTown town)
{
    [Fact]
    public async Task Workers_go_from_none_to_some_to_none_ten_times_and_no_task_is_left_behind()
    {
        var deadline = Deadline.Of(TimeSpan.FromMinutes(3));
        var client = town.Client;
        var agent = $"scale-{Guid.NewGuid():N}"[..14];
        await client.SpawnAsync(agent, "sh", deadline, concurrency: 4);
        for (var round = 0; round < 10; round++)
        {
            await Eventually.Is(0, () => client.WorkersAsync(deadline), deadline);
            var scaling = await client.GetAsync("/api/scaling", deadline);
            Assert.Equal(
                (0, 0, 0),
                (scaling.GetProperty("queue_depth").GetInt32(), scaling.GetProperty("in_flight_tasks").GetInt32(), scaling.GetProperty("recommended_workers").GetInt32()));

            var tasks = new List<Guid>();
            for (var i = 0; i < 6; i++)
            {
                tasks.Add(await client.AssignAsync(agent, $"echo {round}-{i}", deadline));
            }

            foreach (var task in tasks)
            {
                await Eventually.Is("completed", async () => (await client.TaskAsync(task, deadline)).GetProperty("state").GetString(), deadline);
            }

            Assert.InRange(await client.WorkersAsync(deadline), 1, 2);
        }

        await Eventually.Is(0, () => client.WorkersAsync(deadline), deadline);
        await Eventually.Is(0, () => Task.FromResult(town.Pids("Townhall.AgentWorker").Length), deadline);
        var drained = (await client.LedgerAsync(deadline)).Count(static entry => entry.Action == "WorkerDrained");
        Assert.InRange(drained, 10, int.MaxValue);
    }
}
