using Townhall.Contracts.Workers;
using Townhall.Dispatcher.Workers;

namespace Townhall.Dispatcher.Queues;

/// <summary>What one look into a queue gave.</summary>
/// <param name="Pause">Looking again gives nothing until something changes.</param>
internal sealed record Given(IReadOnlyList<Lease> Leases, bool Pause);

/// <summary>Where the pump gets leases from. Both queues obey the same rules, and one suite of tests holds them to it:
/// Postgres decides, nothing is given twice, limits hold, turns are fair.</summary>
internal interface IWorkQueue
{
    /// <summary>Looking may give something. Only a hint.</summary>
    bool MayHaveWork { get; }

    /// <summary>Somebody says that there may be something, without a name.</summary>
    void Look();

    /// <summary>Leases up to <paramref name="most"/> tasks to a worker.</summary>
    /// <exception cref="Npgsql.NpgsqlException">The database failed; what was given, if anything, a repeat of the request finds.</exception>
    Task<Given> ClaimAsync(KnownWorker worker, Guid request, int most, CancellationToken cancellationToken);
}
