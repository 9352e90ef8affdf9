using Npgsql;
using Townhall.Contracts.Ids;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Api.Agents;

/// <summary>Keeps a town at no more than <c>TOWN_MAX_AGENTS</c> agents that have not ended, however many ask at once on however many replicas.</summary>
/// <remarks>A ceiling that is lowered ends nobody: nothing more begins until enough have ended.</remarks>
internal sealed class AgentCeiling(TownSettings town)
{
    /// <summary>Whether one more may begin. Until the transaction of <paramref name="connection"/> ends, nobody else of the town is told so.</summary>
    /// <param name="one">The agent that is to begin; it does not count itself.</param>
    public async Task<bool> HasRoomAsync(NpgsqlConnection connection, AgentId one, CancellationToken cancellationToken)
    {
        // Two statements, because the second must see what was committed while the first waited for its lock.
        await using var batch = new NpgsqlBatch(connection);
        var alone = new NpgsqlBatchCommand("SELECT pg_advisory_xact_lock(hashtextextended('agents of ' || $1, 0))");
        alone.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        var counted = new NpgsqlBatchCommand("""
            SELECT count(*) < $3 FROM (
                SELECT FROM agent WHERE town = $1 AND id <> $2 AND control NOT IN ('stopped', 'error') LIMIT $3) counted
            """);
        counted.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        counted.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = one.Value });
        counted.Parameters.Add(new NpgsqlParameter<int> { TypedValue = town.MaxAgents });
        batch.BatchCommands.Add(alone);
        batch.BatchCommands.Add(counted);
        await using var row = await batch.ExecuteReaderAsync(cancellationToken);
        await row.NextResultAsync(cancellationToken);
        await row.ReadAsync(cancellationToken);
        return row.GetBoolean(0);
    }
}
