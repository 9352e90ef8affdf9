using System.Text.Json;
using Npgsql;
using NpgsqlTypes;
using Townhall.Contracts.Ids;
using Townhall.Contracts.Traces;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Api.Bulk;

/// <summary>Every statement over selections in this service.</summary>
internal sealed class BulkStore(NpgsqlDataSource database, TownSettings town)
{
    /// <summary>Items of one transaction: some 50 ms of work.</summary>
    private const int StepMost = 500;

    private const string Live = "task t WHERE t.town = $2 AND t.state = ANY ($3) AND $8::text IS NULL";

    // Ids are by time, give or take clocks: the range finds the partitions, the instants decide.
    private const string Ended = """
        task_history t WHERE t.town = $2 AND t.state = ANY ($3) AND ($8::text IS NULL OR t.failure_code = $8)
          AND t.id >= uuid7_floor(coalesce($6 - interval '1 hour', '2000-01-01')) AND t.id < uuid7_floor(coalesce($7 + interval '1 hour', '2300-01-01'))
        """;

    private static readonly string FreezeLive = Freeze(Live);
    private static readonly string FreezeEnded = Freeze(Ended);

    /// <summary>For calls that take several statements, with or without a transaction around them.</summary>
    public async Task<NpgsqlConnection> OpenAsync(CancellationToken cancellationToken) => await database.OpenConnectionAsync(cancellationToken);

    /// <summary>Keeps which tasks the filter finds at this instant.</summary>
    /// <returns>How many, when the token expires and the ten oldest; no expiry when they were too many and nothing was kept.</returns>
    public async Task<(int Count, DateTime? ExpiresAt, Guid[] Oldest)> FreezeAsync(
        NpgsqlConnection connection, Guid id, NewBulk bulk, Guid? agent, Guid? to, byte[] tokenHash, string actor, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(bulk.Action == "retry" ? FreezeEnded : FreezeLive, connection);
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = id });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = bulk.States });
        command.Parameters.Add(new NpgsqlParameter<Guid?> { TypedValue = agent });
        command.Parameters.Add(new NpgsqlParameter<string?> { TypedValue = bulk.Filter?.Tag });
        command.Parameters.Add(Instant(bulk.Filter?.CreatedAfter));
        command.Parameters.Add(Instant(bulk.Filter?.CreatedBefore));
        command.Parameters.Add(new NpgsqlParameter<string?> { TypedValue = bulk.Filter?.FailureCode });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = bulk.Action! });
        command.Parameters.Add(new NpgsqlParameter<Guid?> { TypedValue = to });
        command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = tokenHash });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = actor });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = NewBulk.TasksMost });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        await row.ReadAsync(cancellationToken);
        return (row.GetInt32(0), row.IsDBNull(1) ? null : row.GetDateTime(1), row.GetFieldValue<Guid[]>(2));
    }

    /// <summary>Lets a frozen selection run. A token does so once.</summary>
    /// <returns>The selection, or null when the token is unknown, used or expired.</returns>
    public async Task<Guid?> ConfirmAsync(NpgsqlConnection connection, byte[] tokenHash, string actor, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("""
            WITH started AS (
                UPDATE bulk_selection SET state = 'running', started_at = now(), traceparent = $4
                WHERE token_sha256 = $1 AND town = $2 AND created_by = $3 AND state = 'frozen' AND expires_at > now()
                RETURNING id, action, total, target_agent
            ), logged AS (
                INSERT INTO ledger_pending (town, actor, action, detail)
                SELECT $2, $3, 'BulkStarted', json_build_object('bulk_id', id, 'action', action, 'total', total, 'to', target_agent)::text
                FROM started
            )
            SELECT id FROM started
            """, connection);
        command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = tokenHash });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = actor });
        // The tasks that a retry makes go on in the trace of this call, however much later they are made.
        command.Parameters.Add(new NpgsqlParameter<string?> { TypedValue = TaskTraces.Call });
        return await command.ExecuteScalarAsync(cancellationToken) as Guid?;
    }

    /// <summary>How far a selection is; null when there is none.</summary>
    public async Task<BulkView?> FindAsync(Guid id, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        return await FindAsync(connection, id, cancellationToken);
    }

    /// <summary>The same in the transaction that <paramref name="connection"/> is in.</summary>
    public async Task<BulkView?> FindAsync(NpgsqlConnection connection, Guid id, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("""
            SELECT id, action, state, total, done, skipped, failed, reasons::text, created_at, started_at, finished_at
            FROM bulk_selection WHERE id = $1 AND town = $2
            """, connection);
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = id });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        return !await row.ReadAsync(cancellationToken) ? null : new(
            row.GetGuid(0), row.GetString(1), row.GetString(2), row.GetInt32(3), row.GetInt32(4), row.GetInt32(5), row.GetInt32(6),
            JsonSerializer.Deserialize(row.GetString(7), TownhallJson.Default.DictionaryStringInt32)!, row.GetDateTime(8),
            row.IsDBNull(9) ? null : row.GetDateTime(9), row.IsDBNull(10) ? null : row.GetDateTime(10));
    }

    /// <summary>Does the next items of one running selection that nobody else is at, in one transaction.</summary>
    /// <returns>Its action; null when there is nothing to do.</returns>
    public async Task<string?> StepAsync(CancellationToken cancellationToken, int most = StepMost)
    {
        await using var command = database.CreateCommand("SELECT action FROM bulk_step($1, $2)");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        // Ids for the tasks that a retry makes: they rise in this process, so retries keep the order of what they repeat.
        command.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = [.. Enumerable.Range(0, most).Select(static _ => TaskId.New().Value)] });
        return await command.ExecuteScalarAsync(cancellationToken) as string;
    }

    /// <summary>Forgets what nobody confirmed, and what finished a week ago.</summary>
    /// <returns>How many selections, at most <paramref name="most"/>.</returns>
    public async Task<int> PruneAsync(int most, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT prune_bulk($1)");
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = most });
        return (int)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    private static string Freeze(string source) => $"""
        WITH chosen AS MATERIALIZED (
            SELECT t.id, t.state
            FROM {source}
              AND ($4::uuid IS NULL OR t.agent_id = $4) AND ($5::text IS NULL OR $5 = ANY (t.tags))
              AND ($6::timestamptz IS NULL OR t.created_at > $6) AND ($7::timestamptz IS NULL OR t.created_at < $7)
            LIMIT $13 + 1
        ), counted AS (
            SELECT count(*)::int AS total FROM chosen
        ), made AS (
            INSERT INTO bulk_selection (id, town, action, target_agent, token_sha256, total, created_by, expires_at)
            SELECT $1, $2, $9, $10, $11, total, $12, now() + interval '10 minutes' FROM counted WHERE total <= $13
            RETURNING id, expires_at
        ), items AS (
            INSERT INTO bulk_item (selection_id, place, task_id, state)
            SELECT made.id, row_number() OVER (ORDER BY chosen.id), chosen.id, chosen.state FROM chosen CROSS JOIN made
        )
        SELECT counted.total, made.expires_at, ARRAY(SELECT id FROM chosen ORDER BY id LIMIT 10)
        FROM counted LEFT JOIN made ON true
        """;

    private static NpgsqlParameter<DateTime?> Instant(DateTimeOffset? instant) =>
        new() { TypedValue = instant?.UtcDateTime, NpgsqlDbType = NpgsqlDbType.TimestampTz };
}
