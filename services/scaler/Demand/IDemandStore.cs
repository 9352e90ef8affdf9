namespace Townhall.Scaler.Demand;

/// <summary>Where the demand is read: Postgres, or the tables of a simulation.</summary>
internal interface IDemandStore
{
    /// <summary>The demand of one instant.</summary>
    /// <exception cref="Npgsql.NpgsqlException">The database failed: nothing is known, which is not zero.</exception>
    Task<TownDemand> ReadAsync(CancellationToken cancellationToken);

    /// <summary>Agents by what they are, which costs a look at each of them.</summary>
    /// <exception cref="Npgsql.NpgsqlException">The database failed.</exception>
    Task<AgentCounts> CountAgentsAsync(CancellationToken cancellationToken);
}
