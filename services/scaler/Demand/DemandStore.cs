using Npgsql;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Scaler.Demand;

/// <summary>Reads the demand in one statement, so that its numbers belong together.</summary>
internal sealed class DemandStore(NpgsqlDataSource database, TownSettings town) : IDemandStore
{
    private const int AgentsMost = 10_000;

    /// <summary>A worker that has been silent for so long and holds no lease is nobody: four of its long polls.</summary>
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(120);

    /// <exception cref="NpgsqlException">The database failed.</exception>
    public async Task<TownDemand> ReadAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            WITH live AS MATERIALIZED (
                SELECT w.id, w.state
                FROM worker w
                WHERE w.town = $1 AND w.state IN ('active', 'draining')
                  AND (w.seen_at > now() - $2 OR EXISTS (
                        SELECT 1 FROM task t WHERE t.lease_worker = w.id AND t.state = 'running' AND t.lease_until > now()))
            ), ready AS MATERIALIZED (
                SELECT agent_id, startable FROM ready_agents($1, NULL, $3)
            ), backlog AS MATERIALIZED (
                SELECT startable, oldest FROM claimable_backlog($1, $3) WHERE coalesce((SELECT c.pending FROM task_count_now c WHERE c.town = $1), 0) > 0
            )
            SELECT now(), coalesce(c.pending, 0), coalesce(c.assigned, 0), coalesce(c.running, 0),
                   (SELECT coalesce(sum(startable), 0)::bigint FROM ready),
                   (SELECT extract(epoch FROM now() - min(first.available_at))::float8
                    FROM (SELECT f.available_at FROM ready CROSS JOIN LATERAL (
                              SELECT t.available_at FROM task t WHERE t.agent_id = ready.agent_id AND t.state = 'assigned' AND t.due
                              ORDER BY t.rank, t.id LIMIT 1) f
                          UNION ALL SELECT oldest FROM backlog) first),
                   (SELECT count(*)::int FROM live WHERE state = 'active'),
                   (SELECT count(*)::int FROM live WHERE state = 'draining'),
                   (SELECT count(*)::int FROM live JOIN task t ON t.lease_worker = live.id AND t.state = 'running'
                    WHERE live.state = 'draining'),
                   (SELECT coalesce(sum(startable), 0)::bigint FROM backlog)
            FROM (SELECT $1 AS town) this
            LEFT JOIN task_count_now c ON c.town = this.town
            """);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = Silence });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = AgentsMost });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        await row.ReadAsync(cancellationToken);
        return new TownDemand(
            row.GetDateTime(0), row.GetInt64(1), row.GetInt64(2), row.GetInt64(3), row.GetInt64(4),
            row.IsDBNull(5) ? null : Math.Max(0, row.GetDouble(5)), row.GetInt32(6), row.GetInt32(7), row.GetInt32(8))
        { Claimable = row.GetInt64(9) };
    }

    /// <exception cref="NpgsqlException">The database failed.</exception>
    public async Task<AgentCounts> CountAgentsAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            SELECT coalesce(sum(agents) FILTER (WHERE state IN ('starting', 'idle', 'working', 'paused', 'draining')), 0)::bigint,
                   coalesce(sum(agents) FILTER (WHERE state = 'cold'), 0)::bigint, coalesce(sum(agents), 0)::bigint
            FROM agents_by_state($1, $2)
            """);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = town.IdleTimeout });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        await row.ReadAsync(cancellationToken);
        return new AgentCounts(row.GetInt64(0), row.GetInt64(1)) { All = row.GetInt64(2) };
    }
}
