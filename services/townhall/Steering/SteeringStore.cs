using Npgsql;
using Townhall.Contracts.Ids;
using Townhall.Contracts.Tasks;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Api.Steering;

/// <param name="Verdict"><c>noted</c>, <c>full</c>, or the state the task ended in; then the rest says nothing.</param>
internal sealed record Noted(string Verdict, long Id, string State, int Attempt, DateTime CreatedAt);

/// <summary>Every statement over <c>steering</c> in this service.</summary>
internal sealed class SteeringStore(NpgsqlDataSource database, TownSettings town)
{
    /// <returns>Null when there is no such task.</returns>
    public async Task<Noted?> SteerAsync(TaskId task, string text, string actor, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        return await SteerAsync(connection, task, text, actor, cancellationToken);
    }

    /// <summary>The same in the transaction that <paramref name="connection"/> is in.</summary>
    public async Task<Noted?> SteerAsync(NpgsqlConnection connection, TaskId task, string text, string actor, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(
            "SELECT verdict, coalesce(id, 0), state, attempt, coalesce(created_at, now()) FROM steer_task($1, $2, $3, $4, $5)", connection);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = task.Value });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = text });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = actor });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = TaskLimits.SteeringBytesInAll });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        return await row.ReadAsync(cancellationToken)
            ? new(row.GetString(0), row.GetInt64(1), row.GetString(2), row.GetInt32(3), row.GetDateTime(4))
            : null;
    }

    /// <summary>What was said about a task; empty when nothing was or when it has ended, null when there is no such task.</summary>
    public async Task<IReadOnlyList<SteeringView>?> ListAsync(TaskId task, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            SELECT s.id, s.text, s.created_by, s.created_at, s.delivered_at, s.delivered_epoch
            FROM (SELECT id FROM task WHERE id = $1 AND town = $2 UNION ALL SELECT id FROM task_history WHERE id = $1 AND town = $2) t
            LEFT JOIN steering s ON s.task_id = t.id
            ORDER BY s.id
            """);
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = task.Value });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        List<SteeringView>? notes = null;
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken))
        {
            notes ??= [];
            if (!row.IsDBNull(0))
            {
                notes.Add(new(
                    row.GetInt64(0), row.GetString(1), row.GetString(2), row.GetDateTime(3), row.IsDBNull(4) ? null : row.GetDateTime(4),
                    row.IsDBNull(5) ? null : row.GetInt32(5)));
            }
        }

        return notes;
    }
}
