using System.Text.Json;
using Npgsql;
using Townhall.Contracts.Agents;
using Townhall.Contracts.Ids;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Api.Agents;

/// <summary>Every statement over <c>agent</c> in this service.</summary>
internal sealed class AgentStore(NpgsqlDataSource database, TownSettings town)
{
    /// <summary>Makes an agent, with its ledger entry.</summary>
    /// <returns>False when its name is taken; then nothing was made.</returns>
    public async Task<bool> TrySpawnAsync(AgentId id, NewAgent agent, string cli, string actor, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        return await TrySpawnAsync(connection, id, agent, cli, actor, cancellationToken);
    }

    /// <summary>The same in the transaction that <paramref name="connection"/> is in.</summary>
    public async Task<bool> TrySpawnAsync(
        NpgsqlConnection connection, AgentId id, NewAgent agent, string cli, string actor, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("""
            WITH made AS (
                INSERT INTO agent (id, town, name, nickname, role_id, parent_agent_id, cli, runtime, grants,
                                   max_concurrency, max_attempts, timeout_secs, tenant, weight)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::jsonb, $10, $11, $12, $14, $15)
                ON CONFLICT DO NOTHING
                RETURNING id, name, cli
            )
            INSERT INTO ledger_pending (town, actor, action, agent_id, agent_name, detail)
            SELECT $2, $13, 'AgentSpawned', id, name, json_build_object('cli', left(cli, 500))::text FROM made
            """, connection);
        var grant = JsonSerializer.Serialize(agent.GrantOf(town.Root), TownhallJson.Default.AgentGrant);
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = id.Value });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = agent.Name });
        command.Parameters.Add(new NpgsqlParameter<string?> { TypedValue = agent.Nickname });
        command.Parameters.Add(new NpgsqlParameter<string?> { TypedValue = agent.RoleId });
        command.Parameters.Add(new NpgsqlParameter<Guid?> { TypedValue = agent.ParentAgentId });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = cli });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = Runtimes.Of(cli) });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = grant });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = agent.MaxConcurrency ?? 1 });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = agent.MaxAttempts ?? 1 });
        command.Parameters.Add(new NpgsqlParameter<double?> { TypedValue = agent.TimeoutSecs });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = actor });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = agent.Tenant ?? "default" });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = agent.Weight ?? 1 });
        return await command.ExecuteNonQueryAsync(cancellationToken) == 1;
    }

    /// <summary>The agents that <paramref name="reference"/> means: an id, a name, a nickname, a label such as
    /// <c>Nick [role]</c>, or the first four hex digits of an id.</summary>
    /// <returns>At most two: more than one is ambiguous however many there are.</returns>
    public async Task<IReadOnlyList<(AgentId Id, string Name)>> ResolveAsync(string reference, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            SELECT id, name FROM agent
            WHERE town = $1 AND id = $2
            UNION
            (SELECT id, name FROM agent
             WHERE $2 IS NULL AND town = $1
               AND (lower(name) = lower($3) OR lower(nickname) = lower($3)
                    OR lower(nickname || ' [' || coalesce(nullif(role_id, 'default'), name) || ']') = lower($3)
                    OR ($4 AND left(id::text, 4) = lower($3)))
             LIMIT 2)
            """);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<Guid?> { TypedValue = Guid.TryParse(reference, out var id) ? id : null });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = reference });
        command.Parameters.Add(new NpgsqlParameter<bool> { TypedValue = reference.Length == 4 && reference.All(char.IsAsciiHexDigit) });
        var found = new List<(AgentId, string)>();
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken))
        {
            found.Add((new(row.GetGuid(0)), row.GetString(1)));
        }

        // A name is unique: somebody else's nickname must not make it ambiguous.
        return found.Where(one => one.Item2.Equals(reference, StringComparison.OrdinalIgnoreCase)).Take(1).ToList() is [var exact] ? [exact] : found;
    }

    /// <summary>Agents behind <paramref name="after"/> in order of id, with what they do right now.</summary>
    public Task<IReadOnlyList<AgentView>> ListAsync(Guid after, int most, CancellationToken cancellationToken) =>
        ReadAsync("a.id > $2", after, most, cancellationToken);

    /// <summary>One agent, with what it does right now; null when there is none.</summary>
    public async Task<AgentView?> FindAsync(AgentId id, CancellationToken cancellationToken) =>
        await ReadAsync("a.id = $2", id.Value, 1, cancellationToken) is [var agent] ? agent : null;

    private async Task<IReadOnlyList<AgentView>> ReadAsync(string which, Guid id, int most, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand($"""
            SELECT a.id, a.name, a.nickname, a.role_id, a.parent_agent_id, a.spawn_mode, a.cli,
                   initcap(agent_state(a.control, a.running, waits.some > 0, a.last_active_at IS NOT NULL,
                       $4::interval = interval '0' OR now() - coalesce(a.last_active_at, a.created_at) < $4)) AS state,
                   a.runtime, a.trust_level, a.max_concurrency, a.running, a.rounds_completed, a.tasks_completed,
                   waits.some, scope.description, a.created_at, a.last_active_at,
                   a.max_attempts, a.timeout_secs, a.tenant, a.weight, a.frozen
            FROM agent a
            CROSS JOIN LATERAL (
                SELECT count(*) AS some
                FROM (SELECT 1 FROM task t WHERE t.agent_id = a.id AND t.state = 'assigned' AND t.due LIMIT 1000) t) waits
            LEFT JOIN LATERAL (
                SELECT left(t.description, 200) AS description
                FROM task t WHERE a.running > 0 AND t.agent_id = a.id AND t.state = 'running' LIMIT 1) scope ON true
            WHERE a.town = $1 AND {which}
            ORDER BY a.id
            LIMIT $3
            """);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = id });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = most });
        command.Parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = town.IdleTimeout });
        var agents = new List<AgentView>();
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken))
        {
            agents.Add(Read(row));
        }

        return agents;
    }

    /// <summary>How many agents the town has.</summary>
    public async Task<long> CountAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT count(*) FROM agent WHERE town = $1");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        return (long)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    private static AgentView Read(NpgsqlDataReader row) => new(
        row.GetGuid(0), row.GetString(1), Text(row, 2), Text(row, 3), row.IsDBNull(4) ? null : row.GetGuid(4), row.GetString(5),
        row.GetString(6), row.GetString(7), row.GetString(8), row.GetString(9), row.GetInt32(10), row.GetInt32(11),
        row.GetInt64(12), row.GetInt64(13), row.GetInt64(14), 0, Text(row, 15), row.GetDateTime(16),
        row.IsDBNull(17) ? null : row.GetDateTime(17), row.GetInt32(18), row.IsDBNull(19) ? null : row.GetDouble(19), row.GetString(20),
        row.GetInt32(21), row.GetBoolean(22));

    private static string? Text(NpgsqlDataReader row, int column) => row.IsDBNull(column) ? null : row.GetString(column);
}
