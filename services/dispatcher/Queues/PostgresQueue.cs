using Townhall.Dispatcher.Leases;
using Townhall.Dispatcher.Workers;

namespace Townhall.Dispatcher.Queues;

/// <summary>Queue <c>postgres</c>: claims straight from the tables; Redis only rings.</summary>
/// <remarks>
/// A row of an agent is locked and written once by a claim and once by a settlement, however many of its tasks they hold. Where
/// tasks end so fast that an agent's turn comes many times a second anyway, it therefore gets a few starts in a row: fewer rows,
/// and the next claim is about other agents than the settlement beside it, so that neither waits for the other.
/// </remarks>
internal sealed class PostgresQueue(IClaimStore leases, ReadyAgents ready, TimeProvider clock) : IWorkQueue
{
    private const int StartsMost = 256;

    /// <summary>With fewer agents in line every claim reaches all of them anyway.</summary>
    private const int FewAgents = 64;

    private const int InARowMost = 8;

    /// <summary>What starts in a row may add to the time in which everybody's turn comes.</summary>
    private static readonly TimeSpan RoundMost = TimeSpan.FromMilliseconds(200);

    private long _claimedAt = clock.GetTimestamp();
    private double _startsPerSecond;

    public bool MayHaveWork => ready.Count > 0;

    /// <summary>Nothing to do: the sweep names the agents within a second.</summary>
    public void Look()
    {
    }

    public async Task<Given> ClaimAsync(KnownWorker worker, Guid request, int most, CancellationToken cancellationToken)
    {
        var turns = ready.Take(Math.Min(StartsMost, most), InARow(ready.Count));
        Claim? claim = null;
        try
        {
            claim = await leases.ClaimAsync(worker.Id, request, worker.Runtimes, turns, most, cancellationToken);
            Count(claim.Leases.Count);
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

    /// <summary>One, unless a round over all agents in line takes a moment only.</summary>
    private int InARow(int agents) =>
        agents <= FewAgents ? 1 : Math.Clamp((int)(_startsPerSecond * RoundMost.TotalSeconds / agents), 1, InARowMost);

    /// <summary>Follows the speed within a few claims; a pause counts at once, because its claim took as long as the pause.</summary>
    private void Count(int starts)
    {
        var now = clock.GetTimestamp();
        var seconds = Math.Max(clock.GetElapsedTime(_claimedAt, now).TotalSeconds, 0.001);
        _claimedAt = now;
        var current = starts / seconds;
        _startsPerSecond = current < _startsPerSecond / 4 ? current : (0.8 * _startsPerSecond) + (0.2 * current);
    }
}
