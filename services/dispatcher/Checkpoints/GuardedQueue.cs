using Townhall.Dispatcher.Queues;
using Townhall.Dispatcher.Workers;

namespace Townhall.Dispatcher.Checkpoints;

/// <summary>Gives nothing to workers before the ledger was compared with what was kept, or after it failed to compare.</summary>
internal sealed class GuardedQueue(IWorkQueue queue, ILedgerGuard guard) : IWorkQueue
{
    private static readonly Given Nothing = new([], Pause: true);

    public bool MayHaveWork => guard.Sound && queue.MayHaveWork;

    public void Look() => queue.Look();

    public Task<Given> ClaimAsync(KnownWorker worker, Guid request, int most, CancellationToken cancellationToken) =>
        guard.Sound ? queue.ClaimAsync(worker, request, most, cancellationToken) : Task.FromResult(Nothing);
}
