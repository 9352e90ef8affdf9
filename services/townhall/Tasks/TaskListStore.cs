using System.Globalization;
using System.Text;
using Npgsql;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Api.Tasks;

/// <summary>One page of tasks.</summary>
/// <param name="Next">Where the next page begins; null at the end.</param>
internal sealed record TaskPage(IReadOnlyList<TaskRow> Rows, Guid? Next);

/// <summary>
/// Pages through live and ended tasks in the order of their ids, which is that of their acceptance. Each page reads at most
/// <see cref="ScannedMost"/> rows of each place it looks in, through an index, whatever the filters: so the millionth page costs what the
/// first did, and a filter that matches little ends a page early instead of reading on.
/// </summary>
internal sealed class TaskListStore(NpgsqlDataSource database, TownSettings town)
{
    internal const int ScannedMost = 20_000;

    /// <summary>An id is made a moment before its row, on another clock.</summary>
    private const string Slack = "interval '10 minutes'";

    private static readonly string[] s_live = ["pending", "assigned", "running", "waiting"];
    private static readonly string[] s_ended = ["completed", "failed", "cancelled", "dead"];

    // States with an index of their own in the order of ids, or of which there are only a few.
    private static readonly string[] s_indexed = ["pending", "running", "waiting", "failed", "cancelled", "dead"];

    public async Task<TaskPage> PageAsync(TaskQuery query, Guid? after, int limit, CancellationToken cancellationToken)
    {
        await using var command = Command(query, after, limit, database.CreateCommand());
        var rows = new List<TaskRow>();
        Guid? stop = null;
        await using (var row = await command.ExecuteReaderAsync(cancellationToken))
        {
            while (await row.ReadAsync(cancellationToken))
            {
                if (row.GetBoolean(0))
                {
                    // Of several places the one that was left first: behind it the others may lack rows.
                    stop ??= row.GetGuid(1);
                    continue;
                }

                if (stop is null)
                {
                    rows.Add(Read(row));
                }
            }
        }

        return rows.Count > limit ? new(rows[..limit], rows[limit - 1].TaskId) : new(rows, stop);
    }

    /// <summary>The statement, for reading its plan as well.</summary>
    internal NpgsqlCommand Command(TaskQuery query, Guid? after, int limit, NpgsqlCommand command)
    {
        var (before, order, reverse) = query.NewestFirst ? ("<", "DESC", "ASC") : (">", "ASC", "DESC");
        var range = new StringBuilder("town = $1");
        var filter = new StringBuilder("true");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        if (after is { } last)
        {
            Add(range, $" AND id {before} #", new NpgsqlParameter<Guid> { TypedValue = last });
        }

        if (query.CreatedAfter is { } from)
        {
            Add(range, $" AND id >= uuid7_floor(# - {Slack})", Instant(from));
            Add(filter, " AND created_at >= #", Instant(from));
        }

        if (query.CreatedBefore is { } until)
        {
            Add(range, $" AND id < uuid7_floor(# + {Slack})", Instant(until));
            Add(filter, " AND created_at < #", Instant(until));
        }

        if (query.EndedAfter is { } endedFrom)
        {
            Add(filter, " AND completed_at >= #", Instant(endedFrom));
        }

        if (query.EndedBefore is { } endedUntil)
        {
            Add(range, $" AND id < uuid7_floor(# + {Slack})", Instant(endedUntil));
            Add(filter, " AND completed_at < #", Instant(endedUntil));
        }

        if (query.Agent is { } agent)
        {
            Add(filter, " AND agent_id = #", new NpgsqlParameter<Guid> { TypedValue = agent });
        }

        if (query.Tag is { } tag)
        {
            Add(filter, " AND # = ANY (tags)", new NpgsqlParameter<string> { TypedValue = tag });
        }

        if (query.RetryOf is { } retryOf)
        {
            Add(range, " AND retry_of = #", new NpgsqlParameter<Guid> { TypedValue = retryOf });
        }

        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = limit + 1 });
        var most = $"${command.Parameters.Count}";
        var filtered = filter.Length > "true".Length;
        var places = Places(query).ToArray();
        var sql = new StringBuilder("WITH ");
        foreach (var (i, place) in places.Index())
        {
            var scanned = filtered || place.Outer is not null ? ScannedMost.ToString(CultureInfo.InvariantCulture) : most;
            var ended = place.Table == "task" ? "NULL::timestamptz AS completed_at" : "completed_at";
            sql.Append(CultureInfo.InvariantCulture, $"""
                s{i} AS MATERIALIZED (
                    SELECT id, state, agent_id, tags, created_at, {ended} FROM {place.Table}
                    WHERE {range}{place.Inner} ORDER BY id {order} LIMIT {scanned}
                ), p{i} AS (
                    (SELECT false AS stop, id FROM s{i} WHERE {filter}{place.Outer} ORDER BY id {order} LIMIT {most})
                    UNION ALL
                    SELECT true, (SELECT id FROM s{i} ORDER BY id {reverse} LIMIT 1)
                    WHERE (SELECT count(*) FROM s{i}) = {scanned}
                ),
                """);
        }

        // A stop comes behind the row it stands for, because that row was looked at.
        sql.Append(CultureInfo.InvariantCulture, $"""
            page AS ({string.Join(" UNION ALL ", Enumerable.Range(0, places.Length).Select(static i => $"SELECT stop, id FROM p{i}"))})
            SELECT page.stop, page.id, t.description, t.state, t.agent_id, a.name, t.attempt, t.priority, t.tags, t.created_at, t.started_at,
                   t.completed_at, t.exit_code, t.failure_code, t.retry_of
            FROM page
            LEFT JOIN LATERAL (
                SELECT left(description, 200) AS description, state, agent_id, attempt, priority, tags, created_at, started_at,
                       NULL::timestamptz AS completed_at, NULL::int AS exit_code, NULL AS failure_code, retry_of
                FROM task WHERE id = page.id AND NOT page.stop
                UNION ALL
                SELECT left(description, 200), state, agent_id, attempt, priority, tags, created_at, started_at, completed_at, exit_code, failure_code, retry_of
                FROM task_history WHERE id = page.id AND NOT page.stop) t ON true
            LEFT JOIN agent a ON a.id = t.agent_id
            ORDER BY page.id {order}, page.stop
            """);
        command.CommandText = sql.ToString();
        return command;

        void Add(StringBuilder to, string condition, NpgsqlParameter parameter)
        {
            command.Parameters.Add(parameter);
            to.Append(condition.Replace("#", $"${command.Parameters.Count}", StringComparison.Ordinal));
        }
    }

    /// <summary>Where to look: a table, what an index narrows, and what only each row tells.</summary>
    private static IEnumerable<(string Table, string? Inner, string? Outer)> Places(TaskQuery query)
    {
        // Only what has ended has a moment of its end.
        var states = query.States ?? (query.EndedAfter is null && query.EndedBefore is null ? null : s_ended);
        if (states is null)
        {
            yield return ("task", null, null);
            yield return ("task_history", null, null);
            yield break;
        }

        foreach (var state in states)
        {
            var live = s_live.Contains(state, StringComparer.Ordinal);
            var table = live ? "task" : "task_history";
            yield return s_indexed.Contains(state, StringComparer.Ordinal)
                ? (table, $" AND state = '{state}'{(live ? null : " AND state <> 'completed'")}", null)
                : (table, null, $" AND state = '{state}'");
        }
    }

    private static TaskRow Read(NpgsqlDataReader row) => new(
        row.GetGuid(1), row.GetString(2), row.GetString(3), row.IsDBNull(4) ? null : row.GetGuid(4), Text(row, 5), row.GetInt32(6), row.GetInt16(7),
        row.GetFieldValue<string[]>(8), row.GetDateTime(9), At(row, 10), At(row, 11), row.IsDBNull(12) ? null : row.GetInt32(12), Text(row, 13),
        row.IsDBNull(14) ? null : row.GetGuid(14));

    private static NpgsqlParameter<DateTime> Instant(DateTime at) => new() { TypedValue = at };

    private static string? Text(NpgsqlDataReader row, int column) => row.IsDBNull(column) ? null : row.GetString(column);

    private static DateTime? At(NpgsqlDataReader row, int column) => row.IsDBNull(column) ? null : row.GetDateTime(column);
}
