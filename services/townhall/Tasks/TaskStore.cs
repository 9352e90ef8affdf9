using Npgsql;
using NpgsqlTypes;
using Townhall.Api.Agents;
using Townhall.Contracts.Ids;
using Townhall.Contracts.Traces;
using Townhall.ServiceDefaults.Authentication;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Api.Tasks;

/// <summary>Every statement over tasks in this service.</summary>
internal sealed class TaskStore(NpgsqlDataSource database, TownSettings town)
{
    private const string Accept =
        "SELECT task_id, refusal, status, response FROM accept_tasks($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)";

    private const string AcceptTraced = $"""
        WITH accepted AS MATERIALIZED ({Accept}), kept AS (
            INSERT INTO task_trace (task_id, town, traceparent)
            SELECT t.id, $1, t.parent FROM unnest($18, $19) AS t (id, parent) JOIN accepted a ON a.task_id = t.id AND a.refusal IS NULL)
        SELECT task_id, refusal, status, response FROM accepted
        """;

    private const string Retry = "SELECT verdict FROM retry_tasks($1, ARRAY[$2], ARRAY[$3], $4, $5)";

    private const string RetryTraced = $"""
        WITH retried AS MATERIALIZED ({Retry}), kept AS (
            INSERT INTO task_trace (task_id, town, traceparent) SELECT $3, $1, $6 FROM retried WHERE verdict = 'retried')
        SELECT verdict FROM retried
        """;

    private static readonly string One = TaskView.Select("t.id = $1") + " WHERE t.town = $2";
    private static readonly string Some = TaskView.Select("t.id = ANY ($1)") + " WHERE t.town = $2 ORDER BY t.id";

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
        var traced = Array.FindAll(tasks, static task => task.Traceparent is not null);
        await using var command = new NpgsqlCommand(traced.Length == 0 ? Accept : AcceptTraced, connection);
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
        if (traced.Length > 0)
        {
            command.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = Array.ConvertAll(traced, static task => task.Id.Value) });
            command.Parameters.Add(new NpgsqlParameter<string?[]> { TypedValue = Array.ConvertAll(traced, static task => task.Traceparent) });
        }

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
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        return await FindAsync(connection, id, cancellationToken);
    }

    /// <summary>The same in the transaction that <paramref name="connection"/> is in.</summary>
    public async Task<TaskView?> FindAsync(NpgsqlConnection connection, TaskId id, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(One, connection);
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = id.Value });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        return await row.ReadAsync(cancellationToken) ? TaskView.Read(row) : null;
    }

    /// <summary>Those of some tasks that there are, oldest first.</summary>
    public async Task<IReadOnlyList<TaskView>> FindAsync(NpgsqlConnection connection, Guid[] ids, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(Some, connection);
        command.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = ids });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        var found = new List<TaskView>(ids.Length);
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken))
        {
            found.Add(TaskView.Read(row));
        }

        return found;
    }

    /// <summary>Whether a caller may act on a task: one that is held to an agent may on that agent's tasks, and on what it handed over itself.</summary>
    /// <returns>True also for a task that is not there, for a caller who is held to no agent.</returns>
    public async Task<bool> IsInReachAsync(TaskId id, Caller caller, CancellationToken cancellationToken)
    {
        if (caller.HeldTo() is not { } own)
        {
            return true;
        }

        await using var command = database.CreateCommand("""
            SELECT EXISTS (SELECT FROM task WHERE id = $1 AND town = $2 AND (agent_id = $3 OR created_by = $4))
                OR EXISTS (SELECT FROM task_history WHERE id = $1 AND town = $2 AND (agent_id = $3 OR created_by = $4))
            """);
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = id.Value });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = own.Value });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = caller.Name });
        return (bool)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    /// <summary>Makes <paramref name="made"/> from an ended task.</summary>
    /// <returns><c>retried</c>, or why not: see SQL function <c>retry_tasks</c>.</returns>
    public async Task<string> RetryAsync(TaskId ended, TaskId made, bool force, string actor, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        return await RetryAsync(connection, ended, made, force, actor, cancellationToken);
    }

    /// <summary>The same in the transaction that <paramref name="connection"/> is in.</summary>
    public async Task<string> RetryAsync(
        NpgsqlConnection connection, TaskId ended, TaskId made, bool force, string actor, CancellationToken cancellationToken)
    {
        var trace = TaskTraces.Call;
        await using var command = new NpgsqlCommand(trace is null ? Retry : RetryTraced, connection);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = ended.Value });
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = made.Value });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = actor });
        command.Parameters.Add(new NpgsqlParameter<bool> { TypedValue = force });
        if (trace is not null)
        {
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = trace });
        }

        return (string)(await command.ExecuteScalarAsync(cancellationToken))!;
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
