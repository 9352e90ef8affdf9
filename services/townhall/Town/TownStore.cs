using Npgsql;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Api.Town;

/// <summary>What the town as a whole looks like.</summary>
internal sealed class TownStore(NpgsqlDataSource database, TownSettings town)
{
    /// <summary>Counts of tasks and live workers in one snapshot.</summary>
    public async Task<(TaskCounts Tasks, int Workers)> CountsAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            SELECT pending, assigned, running, waiting, completed, failed, cancelled, dead,
                   (SELECT count(*)::int FROM worker w WHERE w.town = c.town AND w.state IN ('active', 'draining'))
            FROM task_count_now c
            WHERE town = $1
            """);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        if (!await row.ReadAsync(cancellationToken))
        {
            throw new InvalidOperationException($"Town {town.Name} is not in the database; the schema step makes it.");
        }

        return (new(row.GetInt64(0), row.GetInt64(1), row.GetInt64(2), row.GetInt64(3), row.GetInt64(4), row.GetInt64(5),
            row.GetInt64(6), row.GetInt64(7)), row.GetInt32(8));
    }

    /// <summary>Who holds the oldest snapshot of the database; null when nobody does.</summary>
    public async Task<HeldSnapshotView?> OldestSnapshotAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT age_secs, since, role, application, state FROM oldest_snapshot()");
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        return await row.ReadAsync(cancellationToken)
            ? new(
                Math.Round(Math.Max(0, row.GetDouble(0)), 1), row.GetDateTime(1), row.IsDBNull(2) ? "" : row.GetString(2),
                row.IsDBNull(3) ? "" : row.GetString(3), row.IsDBNull(4) ? "" : row.GetString(4), row.GetDouble(0) >= town.SnapshotAlarm.TotalSeconds)
            : null;
    }

    /// <summary>Why nothing is sealed and no work is given out, where the ledger is not the one that was kept; null where it is, or the database does not answer.</summary>
    public async Task<string?> LedgerAlarmAsync(CancellationToken cancellationToken)
    {
        try
        {
            await using var command = database.CreateCommand("SELECT reason FROM ledger_alarm WHERE town = $1");
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
            return await command.ExecuteScalarAsync(cancellationToken) as string;
        }
        catch (Exception away) when (away is NpgsqlException or TimeoutException)
        {
            return null;    // whoever asks has heard that the database is away
        }
    }

    /// <summary>What runs, and on which workers.</summary>
    public async Task<DeepStatus> DeepAsync(CancellationToken cancellationToken)
    {
        await using var batch = database.CreateBatch();
        batch.BatchCommands.Add(Of("""
            SELECT t.id, left(t.description, 200), t.agent_id, a.name, t.attempt, t.leased_at, t.lease_until, t.lease_worker
            FROM task t LEFT JOIN agent a ON a.id = t.agent_id
            WHERE t.town = $1 AND t.state = 'running' ORDER BY t.leased_at, t.id LIMIT 500
            """));
        batch.BatchCommands.Add(Of("""
            SELECT w.id, w.name, w.host, w.state, w.slots,
                   (SELECT count(*) FROM task t WHERE t.lease_worker = w.id AND t.state = 'running'), w.version, w.sandbox, w.registered_at, w.seen_at
            FROM worker w WHERE w.town = $1 AND w.state IN ('active', 'draining') ORDER BY w.id LIMIT 500
            """));
        var running = new List<RunningTask>();
        var workers = new List<WorkerStatus>();
        await using var row = await batch.ExecuteReaderAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken))
        {
            running.Add(new(
                row.GetGuid(0), row.GetString(1), row.GetGuid(2), row.IsDBNull(3) ? null : row.GetString(3), row.GetInt32(4),
                row.IsDBNull(5) ? null : row.GetDateTime(5), row.GetDateTime(6), row.GetGuid(7)));
        }

        await row.NextResultAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken))
        {
            workers.Add(new(
                row.GetGuid(0), row.GetString(1), row.GetString(2), row.GetString(3), row.GetInt32(4), row.GetInt64(5), row.GetString(6),
                row.GetString(7), row.GetDateTime(8), row.GetDateTime(9)));
        }

        return new(running, workers);

        NpgsqlBatchCommand Of(string sql)
        {
            var command = new NpgsqlBatchCommand(sql);
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
            return command;
        }
    }
}
