using Npgsql;
using NpgsqlTypes;
using Townhall.Contracts.Ids;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Api.Tasks;

/// <summary>Every statement over tasks in this service.</summary>
internal sealed class TaskStore(NpgsqlDataSource database, TownSettings town)
{
    /// <summary>Commits what may be accepted, each with its ledger entry, in one round trip.</summary>
    /// <remarks>No idempotency key may stand in <paramref name="tasks"/> twice.</remarks>
    /// <returns>One judgement per task, in their order.</returns>
    public async Task<Judgement[]> AcceptAsync(AcceptedTask[] tasks, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        return await AcceptAsync(connection, tasks, cancellationToken);
    }

    /// <summary>The same in the transaction that <paramref name="connection"/> is in.</summary>
    public async Task<Judgement[]> AcceptAsync(NpgsqlConnection connection, AcceptedTask[] tasks, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(
            "SELECT task_id, refusal, status, response FROM accept_tasks($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
            connection);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = Array.ConvertAll(tasks, static task => task.Id.Value) });
        command.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = Array.ConvertAll(tasks, static task => task.Agent.Value) });
        command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = Array.ConvertAll(tasks, static task => task.Description) });
        command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = Array.ConvertAll(tasks, static task => task.Actor) });
        command.Parameters.Add(new NpgsqlParameter<short[]> { TypedValue = Array.ConvertAll(tasks, static task => task.Priority) });
        command.Parameters.Add(new NpgsqlParameter<int?[]> { TypedValue = Array.ConvertAll(tasks, static task => task.MaxAttempts) });
        command.Parameters.Add(new NpgsqlParameter<double?[]> { TypedValue = Array.ConvertAll(tasks, static task => task.TimeoutSecs) });
        command.Parameters.Add(Instants(tasks, static task => task.NotBefore));
        command.Parameters.Add(Instants(tasks, static task => task.Deadline));
        command.Parameters.Add(new NpgsqlParameter<double?[]> { TypedValue = Array.ConvertAll(tasks, static task => task.TotalTimeoutSecs) });
        command.Parameters.Add(new NpgsqlParameter<string?[]> { TypedValue = Array.ConvertAll(tasks, static task => task.ConcurrencyKey) });
        command.Parameters.Add(new NpgsqlParameter<string?[]> { TypedValue = Array.ConvertAll(tasks, static task => task.RateKey) });
        command.Parameters.Add(new NpgsqlParameter<string?[]> { TypedValue = Array.ConvertAll(tasks, static task => task.TagsJson) });
        // Most batches have no keys; unnest fills shorter arrays with nulls.
        var keyed = Array.Exists(tasks, static task => task.Key is not null) ? tasks : [];
        command.Parameters.Add(new NpgsqlParameter<string?[]> { TypedValue = Array.ConvertAll(keyed, static task => task.Key?.Key) });
        command.Parameters.Add(new NpgsqlParameter<byte[]?[]> { TypedValue = Array.ConvertAll(keyed, static task => task.Key?.Hash) });
        command.Parameters.Add(new NpgsqlParameter<string?[]> { TypedValue = Array.ConvertAll(keyed, static task => task.Response) });

        var places = new Dictionary<Guid, int>(tasks.Length);
        for (var i = 0; i < tasks.Length; i++)
        {
            places.Add(tasks[i].Id.Value, i);
        }

        var judged = new Judgement[tasks.Length];
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken))
        {
            judged[places[row.GetGuid(0)]] = row.IsDBNull(1) ? new(AcceptOutcome.Accepted) : row.GetString(1) switch
            {
                "replayed" => new(AcceptOutcome.Replayed, row.GetInt16(2), row.GetString(3)),
                "key_reused" => new(AcceptOutcome.KeyReused),
                "agent_not_found" => new(AcceptOutcome.AgentNotFound),
                "agent_not_accepting" => new(AcceptOutcome.AgentNotAccepting),
                "deadline_passed" => new(AcceptOutcome.DeadlinePassed),
                "again" => new(AcceptOutcome.Again),
                var unknown => throw new InvalidOperationException($"accept_tasks refused with {unknown}, which this service does not know."),
            };
        }

        return judged;
    }

    /// <summary>A task, live or ended; null when there is none.</summary>
    public async Task<TaskView?> FindAsync(TaskId id, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            SELECT t.id, t.description, t.state, t.agent_id, a.name, t.attempt, t.max_attempts, t.priority, t.tags,
                   t.created_at, t.started_at, t.completed_at, t.exit_code, t.result, t.result_blob, t.result_bytes,
                   t.failure_code, t.failure_detail, t.sandbox, t.wall_ms, t.output_bytes, t.retry_of, t.available_at,
                   t.deadline, t.concurrency_key, t.rate_key, t.parked
            FROM (
                SELECT id, town, description, state, agent_id, attempt, max_attempts, priority, tags, created_at, started_at,
                       NULL::timestamptz AS completed_at, NULL::int AS exit_code, NULL AS result, NULL::bytea AS result_blob,
                       0::bigint AS result_bytes, NULL AS failure_code, last_error AS failure_detail, NULL AS sandbox,
                       NULL::double precision AS wall_ms, 0::bigint AS output_bytes, retry_of,
                       CASE WHEN due OR parked IS NOT NULL THEN NULL ELSE available_at END AS available_at, deadline, concurrency_key,
                       rate_key, parked
                FROM task WHERE id = $1
                UNION ALL
                SELECT id, town, description, state, agent_id, attempt, max_attempts, priority, tags, created_at, started_at,
                       completed_at, exit_code, result, result_blob, result_bytes, failure_code, failure_detail, sandbox,
                       wall_ms, output_bytes, retry_of, NULL, deadline, concurrency_key, rate_key, NULL
                FROM task_history WHERE id = $1) t
            LEFT JOIN agent a ON a.id = t.agent_id
            WHERE t.town = $2
            """);
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = id.Value });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        return await row.ReadAsync(cancellationToken) ? TaskView.Read(row) : null;
    }

    /// <summary>Withdraws a task.</summary>
    /// <returns>Where it stands now: <c>cancelled</c>, <c>running</c> (its worker will end it), or the state it had ended in; null when there is none.</returns>
    public async Task<string?> CancelAsync(TaskId id, string actor, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT cancel_task($1, $2, $3)");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = id.Value });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = actor });
        // Null also when it was settled while we waited for its row: that end is visible to a second look only.
        return await command.ExecuteScalarAsync(cancellationToken) as string ?? (await FindAsync(id, cancellationToken))?.State;
    }

    // Said, not guessed: from a null in the first place Npgsql would conclude a type without time zone.
    private static NpgsqlParameter<DateTime?[]> Instants(AcceptedTask[] tasks, Converter<AcceptedTask, DateTime?> of) =>
        new() { TypedValue = Array.ConvertAll(tasks, of), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.TimestampTz };
}
