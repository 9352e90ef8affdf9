using Townhall.Delivery.Tests.Town;
using Townhall.Testing;

namespace Townhall.Delivery.Tests.Lifetime;

/// <summary>A worker that is told to stop, by the database's clock.</summary>
public sealed class StopTests
{
    private static readonly TimeSpan LastLease = TimeSpan.FromMilliseconds(100);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_tenth_of_a_second_after_SIGTERM_a_worker_is_given_nothing_and_it_leaves_nothing_behind(bool streams)
    {
        var deadline = Deadline.Of(TimeSpan.FromSeconds(60));
        await using var town = await MeasuredTown.StartAsync(new(Workers: 2, Lease: 30, Slots: 4), deadline, streams);
        var agents = await town.Parts.AgentsAsync(4, deadline, concurrency: 8);
        for (var i = 0; i < 160; i++)
        {
            await town.AssignAsync(agents[i % 4], "sleep 0.02", deadline);
        }

        var worker = town.Parts.Workers[0];
        var id = await Eventually.Is<Guid>(
            () => town.ScalarAsync<Guid>($"SELECT w.id FROM worker w JOIN task_history h ON h.lease_worker = w.id WHERE w.pid = {worker.Process.Pid} LIMIT 1", deadline),
            static one => one != default, deadline, "the worker to have ended something");
        Assert.True(await town.ScalarAsync<long>("SELECT count(*) FROM task", deadline) > 40, "too little is left to be given");
        var told = await town.NowAsync(deadline);
        Assert.Equal(0, await worker.Process.StopAsync(deadline));
        Assert.InRange(await town.NowAsync(deadline) - told, TimeSpan.Zero, MeasuredTown.Grace);
        Assert.Equal(0, await town.EntriesAsync("TaskStarted", deadline, $"detail::json ->> 'worker_id' = '{id}' AND at > '{told + LastLease:O}'"));
        Assert.Equal(0, await town.ScalarAsync<long>($"SELECT count(*) FROM task WHERE lease_worker = '{id}' AND state = 'running'", deadline));
        await town.Parts.QuietAsync(deadline);
        Assert.Equal(0, await town.EntriesAsync("LeaseExpired", deadline));
        Assert.Equal(160, await town.ScalarAsync<long>("SELECT count(*) FROM task_history WHERE state = 'completed'", deadline));
    }
}
