using System.Text.Json;
using Npgsql;
using Townhall.Contracts.Agents;
using Townhall.Contracts.Ids;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Api.Agents;

/// <summary>How a spawn ended. Only <see cref="Spawned"/> made anything.</summary>
internal enum SpawnOutcome
{
    Spawned,

    /// <summary>Its name or nickname is taken.</summary>
    NameTaken,

    /// <summary>The town has as many agents as it may have.</summary>
    TooMany,
}

/// <summary>Every statement over <c>agent</c> in this service.</summary>
internal sealed class AgentStore(NpgsqlDataSource database, TownSettings town, AgentCeiling ceiling)
{
    /// <summary>Makes an agent, with its ledger entry.</summary>
    public async Task<SpawnOutcome> SpawnAsync(AgentId id, NewAgent agent, string cli, string actor, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var outcome = await SpawnAsync(connection, id, agent, cli, actor, cancellationToken);
        if (outcome == SpawnOutcome.Spawned)
        {
            await transaction.CommitAsync(cancellationToken);
        }

        return outcome;
    }

    /// <summary>The same in the transaction that <paramref name="connection"/> is in.</summary>
    public async Task<SpawnOutcome> SpawnAsync(
        NpgsqlConnection connection, AgentId id, NewAgent agent, string cli, string actor, CancellationToken cancellationToken)
    {
        if (!await ceiling.HasRoomAsync(connection, id, cancellationToken))
        {
            return SpawnOutcome.TooMany;
        }

        await using var command = new NpgsqlCommand("""
            WITH made AS (
                INSERT INTO agent (id, town, name, nickname, role_id, parent_agent_id, cli, runtime, grants,
                                   max_concurrency, max_attempts, timeout_secs, tenant, weight)
                SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9::jsonb, $10, $11, $12, $14, $15
                -- A name that is somebody's nickname, or the other way round, would make that agent answer for another.
                WHERE NOT EXISTS (SELECT FROM agent o WHERE o.town = $2 AND o.nickname IS NOT NULL AND lower(o.nickname) = lower($3))
                  AND NOT EXISTS (SELECT FROM agent o WHERE o.town = $2 AND lower(o.name) = lower($4))
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
        return await command.ExecuteNonQueryAsync(cancellationToken) == 1 ? SpawnOutcome.Spawned : SpawnOutcome.NameTaken;
    }

    /// <summary>The agents that <paramref name="reference"/> means: an id, a name, a nickname, a label such as
    /// <c>Nick [role]</c>, or the first four hex digits of an id.</summary>
    /// <returns>At most two: more than one is ambiguous however many there are.</returns>
    public async Task<IReadOnlyList<(AgentId Id, string Name)>> ResolveAsync(string reference, CancellationToken cancellationToken)
    {
        var byId = Guid.TryParse(reference, out var id);
        await using var command = database.CreateCommand(byId
            ? "SELECT id, name FROM agent WHERE town = $1 AND id = $2"
            : "SELECT agent_id, agent_name FROM resolve_agent($1, $2)");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        if (byId)
        {
            command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = id });
        }
        else
        {
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = reference });
        }

        var found = new List<(AgentId, string)>();
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken))
        {
            found.Add((new(row.GetGuid(0)), row.GetString(1)));
        }

        return found;
    }

    /// <summary>Whether another agent has this as its name: then nobody may take it as a nickname.</summary>
    public async Task<bool> IsNameOfAnotherAsync(string nickname, AgentId self, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT EXISTS (SELECT FROM agent WHERE town = $1 AND lower(name) = lower($2) AND id <> $3)");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = nickname });
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = self.Value });
        return (bool)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    /// <summary>Whether there is such an agent.</summary>
    public async Task<bool> ExistsAsync(AgentId id, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT EXISTS (SELECT FROM agent WHERE town = $1 AND id = $2)");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = id.Value });
        return (bool)(await command.ExecuteScalarAsync(cancellationToken))!;
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
                   a.max_attempts, a.timeout_secs, a.tenant, a.weight, a.frozen, waits.plain + mail.regular, mail.urgent
            FROM agent a
            CROSS JOIN LATERAL (
                SELECT count(*) AS some, count(*) FILTER (WHERE NOT t.mail) AS plain
                FROM (SELECT t.mail FROM task t WHERE t.agent_id = a.id AND t.state = 'assigned' AND t.due LIMIT 1000) t) waits
            CROSS JOIN LATERAL (
                SELECT count(*) FILTER (WHERE NOT m.urgent) AS regular, count(*) FILTER (WHERE m.urgent) AS urgent
                FROM message m WHERE m.to_agent = a.id) mail
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

    /// <summary>The town's mailbox as an agent that does nothing: so that who reads it finds the members of any other.</summary>
    public async Task<AgentView> SupervisorAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            SELECT t.created_at, count(m.id) FILTER (WHERE NOT m.urgent), count(m.id) FILTER (WHERE m.urgent)
            FROM town t LEFT JOIN message m ON m.town = t.name AND m.to_agent = $2
            WHERE t.name = $1 GROUP BY t.name
            """);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = AgentId.Supervisor.Value });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        return await row.ReadAsync(cancellationToken)
            ? new(
                AgentId.Supervisor.Value, "supervisor", null, "supervisor", null, "fresh", "", nameof(AgentState.Idle), "mailbox",
                TrustLevels.Trusted, 0, 0, 0, 0, row.GetInt64(1), row.GetInt64(2), null, row.GetDateTime(0), null, 0, null, "default", 1, false, nameof(AgentPhase.Init))
            : throw new InvalidOperationException($"Town {town.Name} is not in the database; the schema step makes it.");
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
        row.GetInt64(12), row.GetInt64(13), row.GetInt64(23), row.GetInt64(24), Text(row, 15), row.GetDateTime(16),
        row.IsDBNull(17) ? null : row.GetDateTime(17), row.GetInt32(18), row.IsDBNull(19) ? null : row.GetDouble(19), row.GetString(20),
        row.GetInt32(21), row.GetBoolean(22), AgentPhases.Of(Enum.Parse<AgentState>(row.GetString(7)), row.GetInt32(11), !row.IsDBNull(17)).ToString());

    private static string? Text(NpgsqlDataReader row, int column) => row.IsDBNull(column) ? null : row.GetString(column);
}
