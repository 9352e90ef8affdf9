using Townhall.Dispatcher.Leases;
using Townhall.Dispatcher.Workers;

namespace Townhall.Dispatcher.Queues;

/// <summary>Queue <c>postgres</c>: claims straight from the tables; Redis only rings.</summary>
internal sealed class PostgresQueue(IClaimStore leases, ReadyAgents ready) : IWorkQueue
{
    private const int StartsMost = 256;

    public bool MayHaveWork => ready.Count > 0;

    /// <summary>Nothing to do: the sweep names the agents within a second.</summary>
    public void Look()
    {
    }

    public async Task<Given> ClaimAsync(KnownWorker worker, Guid request, int most, CancellationToken cancellationToken)
    {
        var turns = ready.Take(Math.Min(StartsMost, most));
        Claim? claim = null;
        try
        {
            claim = await leases.ClaimAsync(worker.Id, request, worker.Runtimes, turns, most, cancellationToken);
            return new(claim.Leases, claim.TownFull);
        }
        finally
        {
            // Where the database did not answer, nothing was learned and everybody stays in line.
            foreach (var looked in claim?.Agents ?? turns.Select(static turn => new Looked(turn.Agent, 0, More: true, Share: null)))
            {
                ready.GiveBack(looked);
            }
        }
    }
}
