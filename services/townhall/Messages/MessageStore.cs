using Npgsql;
using Townhall.Contracts.Ids;
using Townhall.Contracts.Tasks;
using Townhall.Contracts.Traces;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Api.Messages;

/// <summary>A message on its way into an inbox.</summary>
/// <param name="Task">The task it makes, of kind <c>task</c> to an agent; null for words.</param>
internal sealed record Letter(Guid Id, AgentId To, NewMessage Message, Sender From, TaskId? Task);

/// <summary>One page of an inbox.</summary>
/// <param name="Next">Where the next page begins; null at the end.</param>
internal sealed record InboxPage(IReadOnlyList<InboxRow> Rows, long Total, long Urgent, Position? Next);

/// <summary>Every statement over <c>message</c> in this service.</summary>
internal sealed class MessageStore(NpgsqlDataSource database, TownSettings town)
{
    private const int CountedMost = 10_000;

    private const string Send = "SELECT send_message($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) AS verdict";

    // Under the task that the message makes, or else under the message itself: one id space, both by time.
    private const string SendTraced = $"""
        WITH sent AS MATERIALIZED ({Send}), kept AS (
            INSERT INTO task_trace (task_id, town, traceparent) SELECT coalesce($12, $2), $1, $15 FROM sent WHERE verdict = 'sent')
        SELECT verdict FROM sent
        """;

    /// <summary>Puts a message into an inbox; one that is a task makes it in the same transaction.</summary>
    /// <returns>A verdict of SQL function <c>send_message</c>: <c>sent</c>, or why nothing was made.</returns>
    public async Task<string> SendAsync(Letter letter, string actor, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        return await SendAsync(connection, letter, actor, cancellationToken);
    }

    /// <summary>The same in the transaction that <paramref name="connection"/> is in.</summary>
    public async Task<string> SendAsync(NpgsqlConnection connection, Letter letter, string actor, CancellationToken cancellationToken)
    {
        var message = letter.Message;
        Acknowledgement? ack = message.KindWord == "ack" ? Acknowledgement.Of(message.Message!) : null;
        var trace = TaskTraces.Call;
        await using var command = new NpgsqlCommand(trace is null ? Send : SendTraced, connection);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = letter.Id });
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = letter.To.Value });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = message.KindWord });
        command.Parameters.Add(new NpgsqlParameter<bool> { TypedValue = message.Urgent });
        command.Parameters.Add(new NpgsqlParameter<Guid?> { TypedValue = letter.From.Agent?.Value });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = letter.From.Name });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = message.Message });
        command.Parameters.Add(new NpgsqlParameter<string?> { TypedValue = ack?.Type });
        command.Parameters.Add(new NpgsqlParameter<string?> { TypedValue = ack?.Reason });
        command.Parameters.Add(new NpgsqlParameter<string?> { TypedValue = message.CorrelationId });
        command.Parameters.Add(new NpgsqlParameter<Guid?> { TypedValue = letter.Task?.Value });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = actor });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = TaskLimits.InboxMessages });
        if (trace is not null)
        {
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = trace });
        }

        return (string)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    /// <summary>An inbox in its order: urgent messages, other messages, tasks that wait, tasks that may not start yet; each oldest first.</summary>
    public async Task<InboxPage> InboxAsync(AgentId agent, Position after, int most, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            WITH page AS (
                (SELECT CASE WHEN m.urgent THEN 0 ELSE 1 END AS part, 0::bigint AS rank, m.id, coalesce(m.from_agent::text, m.from_name) AS sender, m.from_name,
                        CASE m.kind WHEN 'ack' THEN 'confirmation' ELSE m.kind END AS type, left(m.body, 200) AS summary, m.urgent, m.created_at,
                        m.correlation_id, m.task_id, m.taken_task, m.taken_epoch, m.taken_at
                 FROM message m
                 WHERE m.to_agent = $2 AND m.town = $1 AND $3 <= 1 AND (NOT m.urgent, m.id) > ($3 > 0, $5)
                 ORDER BY m.urgent DESC, m.id LIMIT $6)
                UNION ALL
                (SELECT 2, t.rank, t.id, t.created_by, t.created_by, 'task_assign', 'task assignment ' || t.id || ': ' || left(t.description, 120), false,
                        t.created_at, NULL, t.id, NULL, NULL, NULL
                 FROM task t
                 WHERE t.agent_id = $2 AND t.state = 'assigned' AND t.due AND NOT t.mail AND t.town = $1
                   AND $3 <= 2 AND ($3 < 2 OR (t.rank, t.id) > ($4, $5))
                 ORDER BY t.rank, t.id LIMIT $6)
                UNION ALL
                (SELECT 3, 0, t.id, t.created_by, t.created_by, 'task_assign', 'task assignment ' || t.id || ': ' || left(t.description, 120), false,
                        t.created_at, NULL, t.id, NULL, NULL, NULL
                 FROM task t
                 WHERE t.agent_id = $2 AND t.state = 'assigned' AND NOT t.due AND NOT t.mail AND t.town = $1 AND ($3 < 3 OR t.id > $5)
                 ORDER BY t.id LIMIT $6)
            ), tally AS (
                SELECT (SELECT count(*) FILTER (WHERE NOT m.urgent) FROM message m WHERE m.to_agent = $2 AND m.town = $1)
                       + (SELECT count(*) FROM (SELECT 1 FROM task t WHERE t.agent_id = $2 AND t.state = 'assigned' AND NOT t.mail AND t.town = $1 LIMIT $7) t) AS total,
                       (SELECT count(*) FROM message m WHERE m.to_agent = $2 AND m.town = $1 AND m.urgent) AS urgent
            )
            SELECT p.part, p.rank, p.id, CASE WHEN p.sender = 'local' THEN $8 ELSE p.sender END, CASE WHEN p.from_name = 'local' THEN 'supervisor' ELSE p.from_name END,
                   p.type, p.summary, p.urgent, p.created_at, p.correlation_id, p.task_id,
                   CASE WHEN message_held(p.taken_task, p.taken_epoch) THEN p.taken_at END,
                   CASE WHEN message_held(p.taken_task, p.taken_epoch) THEN p.taken_task END, tally.total, tally.urgent
            FROM tally LEFT JOIN (SELECT * FROM page ORDER BY part, rank, id LIMIT $6) p ON true
            ORDER BY p.part, p.rank, p.id
            """);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = agent.Value });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = after.Part });
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = after.Rank });
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = after.Last });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = most + 1 });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = CountedMost });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = AgentId.Supervisor.ToString() });
        var rows = new List<InboxRow>();
        var places = new List<Position>();
        long total = 0, urgent = 0;
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken))
        {
            (total, urgent) = (row.GetInt64(13), row.GetInt64(14));
            if (!row.IsDBNull(2))
            {
                places.Add(new((byte)row.GetInt32(0), row.GetInt64(1), row.GetGuid(2)));
                rows.Add(new(
                    row.GetGuid(2), row.GetString(3), row.GetString(4), row.GetString(5), row.GetString(6), row.GetBoolean(7), row.GetDateTime(8),
                    Text(row, 9), Id(row, 10), Instant(row, 11), Id(row, 12)));
            }
        }

        return rows.Count > most ? new(rows[..most], total, urgent, places[most - 1]) : new(rows, total, urgent, null);
    }

    /// <summary>A message that nobody acted on yet; null when there is none.</summary>
    public async Task<MessageView?> FindAsync(Guid id, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            SELECT m.id, m.to_agent, coalesce(m.from_agent::text, m.from_name), m.from_name, m.kind, m.body, m.urgent, m.ack_type, m.ack_reason,
                   m.correlation_id, m.task_id, m.created_at, CASE WHEN held THEN m.taken_at END, CASE WHEN held THEN m.taken_task END
            FROM message m CROSS JOIN LATERAL message_held(m.taken_task, m.taken_epoch) AS held
            WHERE m.id = $2 AND m.town = $1
            """);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = id });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        return await row.ReadAsync(cancellationToken)
            ? new(
                row.GetGuid(0), row.GetGuid(1), row.GetString(2), row.GetString(3), row.GetString(4), row.GetString(5), row.GetBoolean(6),
                Text(row, 7), Text(row, 8), Text(row, 9), Id(row, 10), row.GetDateTime(11), Instant(row, 12), Id(row, 13))
            : null;
    }

    /// <summary>Takes a message away.</summary>
    /// <returns><c>removed</c>; <c>is_task</c> where the task has to be withdrawn instead; null when there is none.</returns>
    public async Task<string?> RemoveAsync(Guid id, string actor, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT remove_message($1, $2, $3)");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = id });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = actor });
        return await command.ExecuteScalarAsync(cancellationToken) as string;
    }

    private static string? Text(NpgsqlDataReader row, int column) => row.IsDBNull(column) ? null : row.GetString(column);

    private static Guid? Id(NpgsqlDataReader row, int column) => row.IsDBNull(column) ? null : row.GetGuid(column);

    private static DateTime? Instant(NpgsqlDataReader row, int column) => row.IsDBNull(column) ? null : row.GetDateTime(column);
}
