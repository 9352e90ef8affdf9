using Npgsql;
using NpgsqlTypes;
using Townhall.Contracts.Ids;
using Townhall.Contracts.Traces;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Api.Backlog;

/// <summary>How a claim ended.</summary>
/// <param name="Verdict"><c>taken</c>, <c>nothing</c>, <c>agent_not_found</c> or <c>agent_not_accepting</c>.</param>
/// <param name="Tasks">What the agent got.</param>
internal sealed record Taken(string Verdict, IReadOnlyList<Guid> Tasks);

/// <summary>Every statement over the backlog in this service.</summary>
internal sealed class BacklogStore(NpgsqlDataSource database, TownSettings town)
{
    /// <summary>Rows of one statement of <see cref="TakeAllAsync"/>, which makes at most <see cref="BatchesMost"/>.</summary>
    internal const int BatchMost = 1000;
    internal const int BatchesMost = 10;

    private const string Add = "SELECT add_to_backlog($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) AS verdict";

    private const string AddTraced = $"""
        WITH added AS MATERIALIZED ({Add}), kept AS (
            INSERT INTO task_trace (task_id, town, traceparent) SELECT $2, $1, $11 FROM added WHERE verdict = 'added')
        SELECT verdict FROM added
        """;

    /// <summary>Puts a task into the backlog.</summary>
    /// <returns>False when its deadline is over already; then nothing was made.</returns>
    public async Task<bool> AddAsync(TaskId id, NewBacklogTask task, string actor, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        return await AddAsync(connection, id, task, actor, cancellationToken);
    }

    /// <summary>The same in the transaction that <paramref name="connection"/> is in.</summary>
    public async Task<bool> AddAsync(NpgsqlConnection connection, TaskId id, NewBacklogTask task, string actor, CancellationToken cancellationToken)
    {
        var trace = TaskTraces.Call;
        await using var command = new NpgsqlCommand(trace is null ? Add : AddTraced, connection);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = id.Value });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = task.Description });
        command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = task.AllTags });
        command.Parameters.Add(new NpgsqlParameter<short> { TypedValue = (short)(task.Priority ?? 0) });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = task.MaxAttempts ?? 1 });
        command.Parameters.Add(new NpgsqlParameter<double?> { TypedValue = task.TimeoutSecs });
        command.Parameters.Add(Instant(task.NotBefore));
        command.Parameters.Add(Instant(task.Deadline));
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = actor });
        if (trace is not null)
        {
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = trace });
        }

        return (string)(await command.ExecuteScalarAsync(cancellationToken))! == "added";
    }

    /// <summary>Gives one task to an agent if it is in the backlog and the agent takes work; else nothing changes.</summary>
    public Task<Taken> TakeAsync(TaskId task, AgentId agent, string actor, CancellationToken cancellationToken) =>
        TakeAsync([task.Value], agent, 1, actor, cancellationToken);

    /// <summary>Gives the whole backlog to an agent, batch by batch, each committed by itself.</summary>
    /// <returns>What it got, and whether the bound was reached before all was given.</returns>
    public async Task<(Taken Taken, bool More)> TakeAllAsync(AgentId agent, string actor, CancellationToken cancellationToken)
    {
        var all = new List<Guid>();
        for (var i = 0; i < BatchesMost; i++)
        {
            var some = await TakeAsync(null, agent, BatchMost, actor, cancellationToken);
            all.AddRange(some.Tasks);
            if (some.Tasks.Count < BatchMost)
            {
                return (new(all.Count > 0 ? "taken" : some.Verdict, all), false);
            }
        }

        return (new("taken", all), true);
    }

    /// <summary>Withdraws a task if it is in the backlog.</summary>
    /// <returns>False when it is not; then nothing changed.</returns>
    public async Task<bool> RemoveAsync(TaskId task, string actor, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT done FROM cancel_tasks($1, ARRAY[$2], ARRAY['pending'], $3)");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = task.Value });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = actor });
        return await command.ExecuteScalarAsync(cancellationToken) is true;
    }

    /// <summary>The backlog behind <paramref name="after"/>, oldest first, and how much there is in all.</summary>
    public async Task<(IReadOnlyList<BacklogRow> Rows, long Total)> ListAsync(Guid after, int most, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            SELECT t.id, left(t.description, 4096), t.tags, nullif(task_lane(t.tags), ''), t.priority, t.created_at,
                   CASE WHEN t.available_at > now() THEN t.available_at END, t.deadline, c.pending
            FROM task_count_now c
            LEFT JOIN LATERAL (
                SELECT * FROM task WHERE town = c.town AND state = 'pending' AND id > $2 ORDER BY id LIMIT $3) t ON true
            WHERE c.town = $1
            ORDER BY t.id
            """);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = after });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = most });
        var rows = new List<BacklogRow>();
        var total = 0L;
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken))
        {
            total = row.GetInt64(8);
            if (!row.IsDBNull(0))
            {
                rows.Add(new(
                    row.GetGuid(0), row.GetString(1), row.GetFieldValue<string[]>(2), row.IsDBNull(3) ? null : row.GetString(3), row.GetInt16(4),
                    row.GetDateTime(5), row.IsDBNull(6) ? null : row.GetDateTime(6), row.IsDBNull(7) ? null : row.GetDateTime(7)));
            }
        }

        return (rows, total);
    }

    private async Task<Taken> TakeAsync(Guid[]? tasks, AgentId agent, int most, string actor, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT verdict, task_id FROM take_from_backlog($1, $2, $3, $4, $5)");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<Guid[]?> { TypedValue = tasks });
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = agent.Value });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = most });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = actor });
        var verdict = "nothing";
        var taken = new List<Guid>();
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken))
        {
            verdict = row.GetString(0);
            if (!row.IsDBNull(1))
            {
                taken.Add(row.GetGuid(1));
            }
        }

        return new(verdict, taken);
    }

    private static NpgsqlParameter Instant(DateTimeOffset? at) =>
        new() { NpgsqlDbType = NpgsqlDbType.TimestampTz, Value = (object?)at?.UtcDateTime ?? DBNull.Value };
}
