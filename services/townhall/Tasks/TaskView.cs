using Npgsql;

namespace Townhall.Api.Tasks;

/// <summary>A task on the wire. What an ended task says never changes.</summary>
/// <param name="Attempt">Attempts begun so far.</param>
/// <param name="NotBefore">When a delayed task may start; null when it may now.</param>
/// <param name="WaitingFor"><c>concurrency</c> or <c>rate</c> while its key has no permit left; null otherwise.</param>
/// <param name="Result">At most 64 KiB; <paramref name="ResultBlob"/> names the whole when <paramref name="ResultBytes"/> is more.</param>
/// <param name="FailureDetail">Why the last attempt failed, also while another one is to come.</param>
internal sealed record TaskView(
    Guid TaskId, string Description, string State, Guid? AgentId, string? AgentName, int Attempt, int MaxAttempts, int Priority,
    string[] Tags, DateTime CreatedAt, DateTime? StartedAt, DateTime? CompletedAt, int? ExitCode, string? Result,
    string? ResultBlob, long ResultBytes, string? FailureCode, string? FailureDetail, string? Sandbox, double? WallMs,
    long OutputBytes, Guid? RetryOf, DateTime? NotBefore, DateTime? Deadline, string? ConcurrencyKey, string? RateKey,
    string? WaitingFor)
{
    internal static TaskView Read(NpgsqlDataReader row) => new(
        row.GetGuid(0), row.GetString(1), row.GetString(2), row.IsDBNull(3) ? null : row.GetGuid(3), Text(row, 4),
        row.GetInt32(5), row.GetInt32(6), row.GetInt16(7), row.GetFieldValue<string[]>(8),
        row.GetDateTime(9), Instant(row, 10), Instant(row, 11), row.IsDBNull(12) ? null : row.GetInt32(12), Text(row, 13),
        row.IsDBNull(14) ? null : Convert.ToHexStringLower(row.GetFieldValue<byte[]>(14)), row.GetInt64(15), Text(row, 16),
        Text(row, 17), Text(row, 18), row.IsDBNull(19) ? null : row.GetDouble(19), row.GetInt64(20),
        row.IsDBNull(21) ? null : row.GetGuid(21), Instant(row, 22), Instant(row, 23),
        Text(row, 24), Text(row, 25), Text(row, 26));

    private static string? Text(NpgsqlDataReader row, int column) => row.IsDBNull(column) ? null : row.GetString(column);

    private static DateTime? Instant(NpgsqlDataReader row, int column) => row.IsDBNull(column) ? null : row.GetDateTime(column);
}
