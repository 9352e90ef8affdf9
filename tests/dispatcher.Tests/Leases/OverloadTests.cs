using Microsoft.Extensions.Logging.Abstractions;
using Townhall.Contracts.Ids;
using Townhall.Contracts.Workers;
using Townhall.Dispatcher.Duties;
using Townhall.Dispatcher.Leases;
using Townhall.Dispatcher.Queues;
using Townhall.Dispatcher.Settling;
using Townhall.Dispatcher.Workers;
using Townhall.ServiceDefaults.Problems;
using Townhall.Testing;

namespace Townhall.Dispatcher.Tests.Leases;

/// <summary>The queues of the dispatcher are bounded: one more is refused before it is begun, and there is room again by itself.</summary>
public sealed class OverloadTests
{
    private const int WaitingMost = 4096;

    [Fact]
    public async Task A_full_queue_of_results_refuses_one_more_and_records_each_of_the_others_once()
    {
        var deadline = Deadline.Usual();
        var store = new Standstill();
        using var pump = Pump(store);
        using var batcher = new SettleBatcher(store, store, new ReadyAgents(), pump, new SequencerBell(), NullLogger<SettleBatcher>.Instance);
        var waiting = Enumerable.Range(0, WaitingMost).Select(_ => batcher.SettleAsync([NewEnding()], deadline)).ToList();
        await Assert.ThrowsAsync<OverloadedException>(() => batcher.SettleAsync([NewEnding()], deadline));

        await batcher.StartAsync(deadline);
        store.GoOn();
        Assert.All(await Task.WhenAll(waiting), static answers => Assert.Equal(Verdicts.Recorded, Assert.Single(answers).Verdict));
        Assert.Equal(Verdicts.Recorded, Assert.Single(await batcher.SettleAsync([NewEnding()], deadline)).Verdict);
        Assert.Equal(WaitingMost + 1, store.Recorded);
        await batcher.StopAsync(deadline);
    }

    [Fact]
    public async Task Too_many_waiting_workers_are_refused_and_who_leaves_makes_room()
    {
        var deadline = Deadline.Usual();
        using var pump = Pump(new Standstill());
        var worker = new KnownWorker(WorkerId.New(), ["noop"], 1);
        using var leave = CancellationTokenSource.CreateLinkedTokenSource(deadline);
        var waiting = Enumerable.Range(0, WaitingMost)
            .Select(_ => pump.WaitAsync(worker, Guid.NewGuid(), 1, TimeSpan.FromMinutes(1), leave.Token)).ToList();
        var one = Guid.NewGuid();
        await Assert.ThrowsAsync<OverloadedException>(() => pump.WaitAsync(worker, one, 1, TimeSpan.FromMinutes(1), deadline));
        Assert.False(pump.IsOpen(worker.Id, one));

        await leave.CancelAsync();
        foreach (var call in waiting)
        {
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
        }

        Assert.Empty(await pump.WaitAsync(worker, one, 1, TimeSpan.Zero, deadline));
    }

    private static LeasePump Pump(Standstill store) =>
        new(store, store, new ReadyAgents(), null!, new SequencerBell(), TimeProvider.System, NullLogger<LeasePump>.Instance);

    private static Ending NewEnding() => new(
        WorkerId.New(), new AttemptResult(new(Guid.NewGuid(), 1, Guid.NewGuid()), AttemptOutcomes.Completed, 0, null, null, 0, null, null, "none", 1, 0));

    /// <summary>A database that answers nothing until it goes on.</summary>
    private sealed class Standstill : ISettleStore, IReaperStore, IClaimStore, IWorkQueue
    {
        private readonly TaskCompletionSource _goesOn = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public int Recorded { get; private set; }

        public bool MayHaveWork => false;

        public void GoOn() => _goesOn.SetResult();

        public void Look()
        {
            // Nothing is ever ready here.
        }

        public async Task<Settled[]> SettleAsync(IReadOnlyList<Ending> endings, CancellationToken cancellationToken)
        {
            await _goesOn.Task.WaitAsync(cancellationToken);
            Recorded += endings.Count;
            return [.. endings.Select(static _ => new Settled(Verdicts.Recorded, Agent: null))];
        }

        public Task<Lease[]> RepeatAsync(WorkerId worker, Guid request, CancellationToken cancellationToken) => Task.FromResult<Lease[]>([]);

        public Task<Given> ClaimAsync(KnownWorker worker, Guid request, int most, CancellationToken cancellationToken) => throw NotAsked();

        public Task<Claim> ClaimAsync(
            WorkerId worker, Guid request, string[] runtimes, Turn[] turns, int limit, CancellationToken cancellationToken) => throw NotAsked();

        public Task<bool> BeginAsync(long epoch, bool broken, CancellationToken cancellationToken) => throw NotAsked();

        public Task<IReadOnlyList<Guid>> ExpireAsync(CancellationToken cancellationToken) => throw NotAsked();

        public Task<int> LoseSilentWorkersAsync(CancellationToken cancellationToken) => throw NotAsked();

        public Task<IReadOnlyList<Guid>> AdmitAsync(string[]? keys, CancellationToken cancellationToken) => throw NotAsked();

        public Task<IReadOnlyList<Guid>> ExpireDeadlinesAsync(CancellationToken cancellationToken) => throw NotAsked();

        public Task<IReadOnlyList<Guid>> SweepAsync(CancellationToken cancellationToken) => throw NotAsked();

        public Task<int> EnsurePartitionsAsync(CancellationToken cancellationToken) => throw NotAsked();

        private static InvalidOperationException NotAsked() => new("Neither of these tests asks for that.");
    }
}
