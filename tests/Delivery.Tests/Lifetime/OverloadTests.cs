using System.Net.Http.Headers;
using Townhall.Contracts.Workers;
using Townhall.Delivery.Tests.Town;
using Townhall.Testing;

namespace Townhall.Delivery.Tests.Lifetime;

/// <summary>The dispatcher at its limit: more calls than it has connections, while the tables stand still.</summary>
public sealed class OverloadTests
{
    [Fact]
    public async Task While_the_tables_stand_still_workers_are_told_503_and_when_to_repeat_and_every_repeat_counts_once()
    {
        const int Tasks = 120;
        var deadline = Deadline.Of(TimeSpan.FromSeconds(60));
        await using var town = await MeasuredTown.StartAsync(new(Workers: 0, Lease: 30), deadline);
        var agents = await town.Parts.AgentsAsync(4, deadline, fake: false, concurrency: 64);
        using var worker = await WorkerByHand.RegisterAsync(town, deadline, slots: 400);
        for (var i = 0; i < Tasks; i++)
        {
            await town.AssignAsync(agents[i % 4], "x", deadline);
        }

        var leases = new List<Lease>();
        while (leases.Count < Tasks)
        {
            leases.AddRange(await worker.LeaseAsync(64, deadline));
        }

        // One call for each lease, and as many for new work, all at once. None of what ends is also spoken of: a settlement that was
        // answered 503 may come through all the same, and an ended task takes no more output.
        var (speaking, ending) = (leases[..(Tasks / 2)], leases[(Tasks / 2)..]);
        Func<Task<(int Status, RetryConditionHeaderValue? RetryAfter)>>[] calls =
        [
            .. speaking.Select<Lease, Func<Task<(int, RetryConditionHeaderValue?)>>>(lease => () => worker.StatusAsync("output", Output(lease), deadline)),
            .. ending.Select<Lease, Func<Task<(int, RetryConditionHeaderValue?)>>>(lease => () => worker.StatusAsync(
                "settle", new SettleRequest(Guid.NewGuid(), [WorkerByHand.Result(lease, AttemptOutcomes.Completed)]), deadline)),
            .. leases.Select<Lease, Func<Task<(int, RetryConditionHeaderValue?)>>>(_ => () => worker.StatusAsync("lease", new LeaseRequest(Guid.NewGuid(), 1, 0), deadline)),
        ];
        (int Status, RetryConditionHeaderValue? RetryAfter)[] stalled;
        await using (var connection = await town.Parts.Database.Owner.OpenConnectionAsync(deadline))
        await using (var transaction = await connection.BeginTransactionAsync(deadline))
        {
            await using var locks = connection.CreateCommand();
            locks.CommandText = "LOCK TABLE task, task_output IN ACCESS EXCLUSIVE MODE";
            await locks.ExecuteNonQueryAsync(deadline);
            stalled = await Task.WhenAll(calls.Select(static call => call()));
            await transaction.RollbackAsync(deadline);
        }

        Assert.All(stalled, static answer => Assert.Equal((503, TimeSpan.FromSeconds(1)), (answer.Status, answer.RetryAfter?.Delta)));

        foreach (var lease in speaking)
        {
            await Eventually.Is(
                () => worker.StatusAsync("output", Output(lease), deadline), static answer => answer.Status == 200, deadline, "output to be taken");
        }

        Assert.Equal(200, (await worker.SettleAsync(AttemptOutcomes.Completed, [.. leases], deadline)).Status);
        await town.Parts.QuietAsync(deadline);
        Assert.Equal(speaking.Count, await town.ScalarAsync<long>("SELECT count(*) FROM task_output", deadline));
        Assert.Equal(Tasks, await town.ScalarAsync<long>("SELECT count(*) FROM task_history WHERE state = 'completed' AND attempt = 1", deadline));
        Assert.Equal(Tasks, await town.EntriesAsync("TaskCompleted", deadline));
    }

    private static OutputRequest Output(Lease lease) => new(Guid.NewGuid(), [new(WorkerByHand.Reference(lease), 0, 0, "line\n"u8.ToArray())]);
}
