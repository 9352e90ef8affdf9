using Npgsql;
using Townhall.Contracts.Ids;
using Townhall.Contracts.Workers;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Dispatcher.Control;

/// <summary>What people decided about running work, read from the rows that say so: nothing is remembered in between.</summary>
internal sealed class ControlStore(NpgsqlDataSource database, TownSettings town)
{
    private const int NotesMost = 64;

    /// <summary>What this worker's attempts should do that they do not do yet, by what it says of them.</summary>
    /// <param name="paused">Tasks whose attempts stand still there.</param>
    /// <returns>At most one of kill and cancel per attempt; notes in the order they were said, a bounded number at a time.</returns>
    public async Task<Directive[]> DirectivesAsync(WorkerId worker, Guid[] paused, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            WITH mine AS MATERIALIZED (
                SELECT t.id, t.attempt, t.steered, t.cancel_requested_at IS NOT NULL AS withdrawn, a.frozen,
                       coalesce(a.killed_at >= t.leased_at, false) AS killed, t.id = ANY ($2) AS still
                FROM task t JOIN agent a ON a.id = t.agent_id
                WHERE t.lease_worker = $1 AND t.state = 'running'
            )
            SELECT CASE WHEN killed THEN 'kill' WHEN withdrawn THEN 'cancel' WHEN frozen THEN 'pause' ELSE 'resume' END,
                   id, attempt, NULL::text, NULL::bigint AS note, NULL::timestamptz
            FROM mine WHERE killed OR withdrawn OR frozen <> still
            UNION ALL
            (SELECT 'steer', mine.id, mine.attempt, s.text, s.id, s.created_at
             FROM mine JOIN steering s ON s.task_id = mine.id
             WHERE mine.steered AND NOT killed AND NOT withdrawn AND s.delivered_epoch IS DISTINCT FROM mine.attempt
             ORDER BY s.id LIMIT $3)
            ORDER BY note NULLS FIRST
            """);
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = worker.Value });
        command.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = paused });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = NotesMost });
        var directives = new List<Directive>();
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken))
        {
            directives.Add(new(
                row.GetString(0), row.GetGuid(1), row.GetInt32(2), row.IsDBNull(3) ? null : row.GetString(3),
                row.IsDBNull(4) ? null : row.GetInt64(4), row.IsDBNull(5) ? null : row.GetDateTime(5)));
        }

        return [.. directives];
    }

    /// <summary>Notes that these attempts of this worker were given, or could not be given: they are not sent to them again.</summary>
    public async Task TakenAsync(WorkerId worker, SteeringTaken[] notes, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            WITH taken AS (
                UPDATE steering s
                SET delivered_epoch = k.epoch, delivered_at = CASE WHEN k.delivered THEN now() ELSE s.delivered_at END
                FROM unnest($3, $4, $5, $6) AS k (id, task_id, epoch, delivered)
                JOIN task t ON t.id = k.task_id AND t.attempt = k.epoch AND t.lease_worker = $2
                WHERE s.id = k.id AND s.task_id = k.task_id AND s.town = $1 AND s.delivered_epoch IS DISTINCT FROM k.epoch
                RETURNING s.id, s.task_id, t.agent_id, k.epoch, k.delivered
            )
            INSERT INTO ledger_pending (town, actor, action, agent_id, agent_name, task_id, outcome, detail)
            SELECT $1, 'worker:' || $2, 'SteeringDelivered', a.id, a.name, taken.task_id,
                   CASE WHEN delivered THEN 'success' ELSE 'failure' END,
                   json_build_object('steering_id', taken.id, 'attempt', epoch, 'by', 'file')::text
            FROM taken JOIN agent a ON a.id = taken.agent_id
            """);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = worker.Value });
        command.Parameters.Add(new NpgsqlParameter<long[]> { TypedValue = Array.ConvertAll(notes, static note => note.Id) });
        command.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = Array.ConvertAll(notes, static note => note.TaskId) });
        command.Parameters.Add(new NpgsqlParameter<int[]> { TypedValue = Array.ConvertAll(notes, static note => note.Epoch) });
        command.Parameters.Add(new NpgsqlParameter<bool[]> { TypedValue = Array.ConvertAll(notes, static note => note.Delivered) });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
