using Townhall.Scaler.Demand;

namespace Townhall.Scaler.Workers;

/// <summary>Somewhere workers can be started: processes of this machine now, a platform's replicas later.</summary>
internal interface IWorkerActuator
{
    /// <summary>Brings the number of workers nearer to <paramref name="wanted"/>; called again and again, so it need not get there.</summary>
    /// <param name="wanted">Workers that should be taking work.</param>
    /// <param name="demand">The reading it follows from.</param>
    /// <returns>Workers that are on their way and not registered yet.</returns>
    int Adjust(int wanted, TownDemand demand);

    /// <summary>Notes which starts have arrived and which have ended; before the demand is read, so that a worker is counted twice rather than not at all.</summary>
    /// <exception cref="Npgsql.NpgsqlException">The database failed; the next call catches up.</exception>
    Task CatchUpAsync(CancellationToken cancellationToken);
}
