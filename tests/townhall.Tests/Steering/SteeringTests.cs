using Townhall.Contracts.Ids;
using Townhall.Testing;

namespace Townhall.Api.Tests.Steering;

public sealed class SteeringTests(PostgresServer postgres) : IClassFixture<PostgresServer>
{
    [Fact]
    public async Task Words_wait_with_a_live_task_also_without_any_worker()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var parts = new Parts(database);
        var task = Parts.Task(await parts.SpawnAsync("ann", deadline));
        await parts.Tasks.AcceptAsync([task], deadline);
        var noted = await parts.Steering.SteerAsync(task.Id, "turn left", "test", deadline);
        Assert.Equal(("noted", "assigned", 0), (noted!.Verdict, noted.State, noted.Attempt));
        var one = Assert.Single((await parts.Steering.ListAsync(task.Id, deadline))!);
        Assert.Equal(("turn left", "test", null, null), (one.Text, one.CreatedBy, one.DeliveredAt, one.DeliveredAttempt));
        Assert.Equal(1L, await database.ScalarAsync<long>("SELECT count(*) FROM ledger_pending WHERE action = 'TaskSteered'", deadline));
    }

    [Fact]
    public async Task An_ended_task_takes_no_words_and_keeps_none()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var parts = new Parts(database);
        var task = Parts.Task(await parts.SpawnAsync("ann", deadline));
        await parts.Tasks.AcceptAsync([task], deadline);
        await parts.Steering.SteerAsync(task.Id, "turn left", "test", deadline);
        await parts.Tasks.CancelAsync(task.Id, "test", deadline);
        Assert.Equal(0L, await database.ScalarAsync<long>("SELECT count(*) FROM steering", deadline));
        Assert.Equal("cancelled", (await parts.Steering.SteerAsync(task.Id, "too late", "test", deadline))!.Verdict);
        Assert.Empty((await parts.Steering.ListAsync(task.Id, deadline))!);
        Assert.Null(await parts.Steering.SteerAsync(TaskId.New(), "to nobody", "test", deadline));
        Assert.Null(await parts.Steering.ListAsync(TaskId.New(), deadline));
    }

    [Fact]
    public async Task A_task_carries_no_more_than_256_KiB_of_words()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var parts = new Parts(database);
        var task = Parts.Task(await parts.SpawnAsync("ann", deadline));
        await parts.Tasks.AcceptAsync([task], deadline);
        var note = new string('x', 16 * 1024);
        for (var i = 0; i < 16; i++)
        {
            Assert.Equal("noted", (await parts.Steering.SteerAsync(task.Id, note, "test", deadline))!.Verdict);
        }

        Assert.Equal("full", (await parts.Steering.SteerAsync(task.Id, "one more", "test", deadline))!.Verdict);
    }
}
