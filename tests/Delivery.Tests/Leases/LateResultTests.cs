using Townhall.Contracts.Workers;
using Townhall.Delivery.Tests.Town;
using Townhall.Testing;

namespace Townhall.Delivery.Tests.Leases;

/// <summary>Results that come late: what counts, what is refused, and what is kept of it.</summary>
public sealed class LateResultTests
{
    [Fact]
    public async Task A_worker_that_was_declared_lost_can_still_hand_in_what_it_did_and_nothing_else()
    {
        var deadline = Deadline.Of(TimeSpan.FromSeconds(60));
        await using var town = await MeasuredTown.StartAsync(new(Workers: 0, Lease: 1), deadline);
        var agent = await town.AgentAsync(deadline, fake: false, concurrency: 8);
        Guid[] tasks = [await town.AssignAsync(agent, "one", deadline), await town.AssignAsync(agent, "two", deadline)];
        using var lost = await WorkerByHand.RegisterAsync(town, deadline);
        Lease[] leases = [await lost.LeaseOneAsync(deadline), await lost.LeaseOneAsync(deadline)];
        Assert.Equal(tasks.Order(), leases.Select(static lease => lease.TaskId).Order());
        await Eventually.Is("lost", () => town.ScalarAsync<string>($"SELECT state FROM worker WHERE id = '{lost.Id}'", deadline), deadline);

        // A proven token is remembered for 3 s, in which nothing is given to it either.
        await Eventually.Is(
            async () => (await lost.StatusAsync("lease", new LeaseRequest(Guid.NewGuid(), 1, 0), deadline)).Status, static status => status == 401, deadline, "the token to be refused");
        Assert.Equal(401, (await lost.RenewAsync(leases[0], deadline)).Status);
        Assert.Equal(401, (await lost.PostAsync("drain", new DrainRequest(Guid.NewGuid(), "stopping"), deadline)).Status);
        var (status, body) = await lost.SettleAsync(AttemptOutcomes.Completed, [leases[0]], deadline);
        Assert.Equal((200, "recorded"), (status, Assert.Single(WorkerByHand.Verdicts(body))));
        Assert.Equal("completed|1|1", await town.ScalarAsync<string>(
            $"SELECT state || '|' || attempt || '|' || crashes FROM task_history WHERE id = '{leases[0].TaskId}'", deadline));
        Assert.Equal("lost", await town.ScalarAsync<string>($"SELECT state FROM worker WHERE id = '{lost.Id}'", deadline));

        // The other one is somebody else's by now.
        using var other = await WorkerByHand.RegisterAsync(town, deadline);
        var again = await other.LeaseOneAsync(deadline);
        Assert.Equal((leases[1].TaskId, 2), (again.TaskId, again.Epoch));
        (status, body) = await lost.SettleAsync(AttemptOutcomes.Completed, [leases[1]], deadline);
        Assert.Equal((409, "stale_results", "stale"), (status, body.GetProperty("code").GetString(), Assert.Single(WorkerByHand.Verdicts(body))));
    }

    [Fact]
    public async Task A_completion_that_comes_too_late_is_answered_409_and_kept_as_evidence()
    {
        var deadline = Deadline.Of(TimeSpan.FromSeconds(60));
        await using var town = await MeasuredTown.StartAsync(new(Workers: 0, Lease: 1), deadline);
        var agent = await town.AgentAsync(deadline, fake: false, concurrency: 8);
        var task = await town.AssignAsync(agent, "one", deadline);
        using var first = await WorkerByHand.RegisterAsync(town, deadline);
        using var second = await WorkerByHand.RegisterAsync(town, deadline);
        var old = await first.LeaseOneAsync(deadline);
        var current = await second.LeaseOneAsync(deadline);
        Assert.Equal((task, 1, 2), (current.TaskId, old.Epoch, current.Epoch));

        // While the newer attempt runs, and after it has ended: the same answer, and nothing changes.
        var (status, body) = await first.SettleAsync(AttemptOutcomes.Completed, [old], deadline);
        Assert.Equal((409, "stale"), (status, Assert.Single(WorkerByHand.Verdicts(body))));
        Assert.Equal(200, (await second.SettleAsync(AttemptOutcomes.Completed, [current], deadline)).Status);
        var ended = await RowAsync();
        Assert.Equal(409, (await first.SettleAsync(AttemptOutcomes.Failed, [old], deadline)).Status);
        Assert.Equal(409, (await second.SettleAsync(AttemptOutcomes.Completed, [current with { Token = Guid.NewGuid() }], deadline)).Status);
        Assert.Equal(ended, await RowAsync());
        Assert.Equal(3, await town.EntriesAsync("ResultRefused", deadline, $"task_id = '{task}'"));
        Assert.Equal(1, await town.EntriesAsync("TaskCompleted", deadline, $"task_id = '{task}'"));

        // Beside a result that counts, the call is answered 200 and each verdict stands for itself.
        await town.AssignAsync(agent, "two", deadline);
        var counts = await second.LeaseOneAsync(deadline);
        (status, body) = await second.SettleAsync(AttemptOutcomes.Completed, [old, counts], deadline);
        Assert.Equal(200, status);
        Assert.Equal(["stale", "recorded"], WorkerByHand.Verdicts(body));

        Task<string?> RowAsync() => town.ScalarAsync<string>($"SELECT h::text FROM task_history h WHERE id = '{task}'", deadline);
    }
}
