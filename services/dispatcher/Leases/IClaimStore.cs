using Townhall.Contracts.Ids;
using Townhall.Contracts.Workers;

namespace Townhall.Dispatcher.Leases;

/// <summary>Where leases are given: Postgres, or the tables of a simulation.</summary>
internal interface IClaimStore
{
    /// <inheritdoc cref="LeaseStore.ClaimAsync"/>
    Task<Claim> ClaimAsync(
        WorkerId worker, Guid request, string[] runtimes, Turn[] turns, int limit, CancellationToken cancellationToken);

    /// <inheritdoc cref="LeaseStore.RepeatAsync"/>
    Task<Lease[]> RepeatAsync(WorkerId worker, Guid request, CancellationToken cancellationToken);
}
