using System.ComponentModel.DataAnnotations;
using Npgsql;

namespace Townhall.Api.Tasks;

/// <summary>A task on the wire. What an ended task says never changes.</summary>
/// <param name="Attempt">Attempts begun so far.</param>
/// <param name="NotBefore">When a delayed task may start; null when it may now.</param>
/// <param name="WaitingFor"><c>concurrency</c> or <c>rate</c> while its key has no permit left; null otherwise.</param>
/// <param name="Result">At most 64 KiB; <paramref name="ResultBlob"/> names the whole when <paramref name="ResultBytes"/> is more.</param>
/// <param name="FailureDetail">Why the last attempt failed, also while another one is to come.</param>
internal sealed record TaskView(
    Guid TaskId, string Description, [AllowedValues("pending", "assigned", "running", "waiting", "completed", "failed", "cancelled", "dead")] string State, Guid? AgentId, string? AgentName, int Attempt, int MaxAttempts, int Priority,
    string[] Tags, DateTime CreatedAt, DateTime? StartedAt, DateTime? CompletedAt, int? ExitCode, string? Result,
    string? ResultBlob, long ResultBytes, string? FailureCode, string? FailureDetail, string? Sandbox, double? WallMs,
    long OutputBytes, Guid? RetryOf, DateTime? NotBefore, DateTime? Deadline, string? ConcurrencyKey, string? RateKey,
    [AllowedValues("concurrency", "rate")] string? WaitingFor)
{
    internal static TaskView Read(NpgsqlDataReader row) => new(
        row.GetGuid(0), row.GetString(1), row.GetString(2), row.IsDBNull(3) ? null : row.GetGuid(3), Text(row, 4),
        row.GetInt32(5), row.GetInt32(6), row.GetInt16(7), row.GetFieldValue<string[]>(8),
        row.GetDateTime(9), Instant(row, 10), Instant(row, 11), row.IsDBNull(12) ? null : row.GetInt32(12), Text(row, 13),
        row.IsDBNull(14) ? null : Convert.ToHexStringLower(row.GetFieldValue<byte[]>(14)), row.GetInt64(15), Text(row, 16),
        Text(row, 17), Text(row, 18), row.IsDBNull(19) ? null : row.GetDouble(19), row.GetInt64(20),
        row.IsDBNull(21) ? null : row.GetGuid(21), Instant(row, 22), Instant(row, 23),
        Text(row, 24), Text(row, 25), Text(row, 26));

    /// <summary>What <see cref="Read"/> reads, of live and ended tasks <c>t</c> for which <paramref name="condition"/> holds.</summary>
    internal static string Select(string condition) => $"""
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
            FROM task t WHERE {condition}
            UNION ALL
            SELECT id, town, description, state, agent_id, attempt, max_attempts, priority, tags, created_at, started_at,
                   completed_at, exit_code, result, result_blob, result_bytes, failure_code, failure_detail, sandbox,
                   wall_ms, output_bytes, retry_of, NULL, deadline, concurrency_key, rate_key, NULL
            FROM task_history t WHERE {condition}) t
        LEFT JOIN agent a ON a.id = t.agent_id
        """;

    private static string? Text(NpgsqlDataReader row, int column) => row.IsDBNull(column) ? null : row.GetString(column);

    private static DateTime? Instant(NpgsqlDataReader row, int column) => row.IsDBNull(column) ? null : row.GetDateTime(column);
}
