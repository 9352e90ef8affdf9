using System.Text.Json;
using Npgsql;
using NpgsqlTypes;
using Townhall.Contracts.Agents;
using Townhall.Contracts.Ids;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Api.Agents;

/// <summary>Where an agent stands after somebody decided about it.</summary>
/// <param name="Legal">False when the move is not allowed from <paramref name="Control"/>; then nothing changed.</param>
/// <param name="Changed">False when it stood there already.</param>
/// <param name="Ceiling">As many agents as the town may have, where it has them, so that none begins again; then nothing changed.</param>
internal sealed record Moved(bool Legal, bool Changed, string Name, string Control, bool Frozen, int Running, int? Ceiling = null);

/// <summary>What people decide about agents, each with its ledger entry.</summary>
internal sealed class ControlStore(NpgsqlDataSource database, TownSettings town, AgentCeiling ceiling)
{
    /// <returns>Null when there is no such agent.</returns>
    public async Task<Moved?> MoveAsync(AgentId agent, AgentEvent on, bool? freeze, string actor, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        if (on != AgentEvent.Restart)
        {
            return await MoveAsync(connection, agent, on, freeze, actor, cancellationToken);
        }

        // Who begins again counts like who begins.
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var room = await ceiling.HasRoomAsync(connection, agent, cancellationToken);
        var moved = await MoveAsync(connection, agent, on, freeze, actor, cancellationToken);
        if (moved is { Changed: true } && !room)
        {
            return moved with { Ceiling = town.MaxAgents };
        }

        await transaction.CommitAsync(cancellationToken);
        return moved;
    }

    private async Task<Moved?> MoveAsync(
        NpgsqlConnection connection, AgentId agent, AgentEvent on, bool? freeze, string actor, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(
            "SELECT legal, changed, name, control, frozen, running FROM control_agent($1, $2, $3, $4, $5)", connection);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = agent.Value });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = ControlEndpoints.Word(on) });
        command.Parameters.Add(new NpgsqlParameter<bool?> { TypedValue = freeze });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = actor });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        return await row.ReadAsync(cancellationToken)
            ? new(row.GetBoolean(0), row.GetBoolean(1), row.GetString(2), row.GetString(3), row.GetBoolean(4), row.GetInt32(5))
            : null;
    }

    /// <summary>Changes what is named and differs; tasks that are accepted already keep the attempts and timeouts they have.</summary>
    /// <returns>False when there is no such agent or nothing differs; then nothing was written.</returns>
    public async Task<bool> ChangeAsync(AgentId agent, AgentChange change, string actor, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            WITH changed AS (
                UPDATE agent a
                SET max_concurrency = coalesce($3, a.max_concurrency), max_attempts = coalesce($4, a.max_attempts),
                    weight = coalesce($5, a.weight), tenant = coalesce($6, a.tenant),
                    timeout_secs = CASE WHEN $7 THEN $8 ELSE a.timeout_secs END,
                    nickname = CASE WHEN $9 THEN $10 ELSE a.nickname END,
                    role_id = CASE WHEN $13 THEN $14 ELSE a.role_id END
                WHERE a.id = $2 AND a.town = $1 AND (
                    a.max_concurrency <> $3 OR a.max_attempts <> $4 OR a.weight <> $5 OR a.tenant <> $6
                    OR ($7 AND a.timeout_secs IS DISTINCT FROM $8) OR ($9 AND a.nickname IS DISTINCT FROM $10)
                    OR ($13 AND a.role_id IS DISTINCT FROM $14))
                RETURNING a.id, a.name
            )
            INSERT INTO ledger_pending (town, actor, action, agent_id, agent_name, detail)
            SELECT $1, $11, 'AgentChanged', id, name, $12 FROM changed
            """);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = agent.Value });
        command.Parameters.Add(new NpgsqlParameter<int?> { TypedValue = change.MaxConcurrency });
        command.Parameters.Add(new NpgsqlParameter<int?> { TypedValue = change.MaxAttempts });
        command.Parameters.Add(new NpgsqlParameter<int?> { TypedValue = change.Weight });
        command.Parameters.Add(new NpgsqlParameter<string?> { TypedValue = change.Tenant });
        command.Parameters.Add(new NpgsqlParameter<bool> { TypedValue = change.SaysTimeout });
        command.Parameters.Add(new NpgsqlParameter { NpgsqlDbType = NpgsqlDbType.Double, Value = (object?)change.Timeout ?? DBNull.Value });
        command.Parameters.Add(new NpgsqlParameter<bool> { TypedValue = change.SaysNickname });
        command.Parameters.Add(new NpgsqlParameter<string?> { TypedValue = change.NewNickname });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = actor });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = JsonSerializer.Serialize(change, OperatorJson.Default.AgentChange) });
        command.Parameters.Add(new NpgsqlParameter<bool> { TypedValue = change.SaysRole });
        command.Parameters.Add(new NpgsqlParameter<string?> { TypedValue = change.NewRole });
        return await command.ExecuteNonQueryAsync(cancellationToken) == 1;
    }
}
