using Npgsql;
using NpgsqlTypes;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Scaler.Workers;

/// <summary>One start of a worker, with all that its registration can be recognised by.</summary>
/// <param name="Worker">What it was told to call itself.</param>
/// <param name="Pid">Its process on this machine; null before there is one.</param>
/// <param name="Since">The database's clock before it was started: an older row with the same process id is another's.</param>
internal sealed record WorkerStart(Guid Worker, int? Pid, DateTime Since);

/// <param name="Id">The row; a worker that registered again has several.</param>
internal sealed record WorkerRow(Guid Id, string State)
{
    public bool IsLive => State is "active" or "draining";
}

/// <summary>What the town knows of the workers that were started on this machine.</summary>
internal sealed class WorkerRows(NpgsqlDataSource database, TownSettings town)
{
    /// <summary>The registrations of each start that has any.</summary>
    /// <exception cref="NpgsqlException">The database failed.</exception>
    public async Task<ILookup<Guid, WorkerRow>> OfAsync(IReadOnlyList<WorkerStart> starts, CancellationToken cancellationToken)
    {
        var found = new List<(Guid Worker, WorkerRow Row)>();
        if (starts.Count > 0)
        {
            await using var command = database.CreateCommand("""
                SELECT s.worker, w.id, w.state
                FROM unnest($1, $2, $3) AS s (worker, pid, since)
                JOIN worker w ON w.town = $4
                    AND (w.id = s.worker OR (w.host = $5 AND w.pid = s.pid AND w.registered_at >= s.since))
                """);
            command.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = [.. starts.Select(static start => start.Worker)] });
            command.Parameters.Add(new NpgsqlParameter<int[]> { TypedValue = [.. starts.Select(static start => start.Pid ?? 0)] });
            command.Parameters.Add(new NpgsqlParameter<DateTime[]>
            {
                TypedValue = [.. starts.Select(static start => start.Since)],
                NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.TimestampTz,
            });
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = Environment.MachineName });
            await using var row = await command.ExecuteReaderAsync(cancellationToken);
            while (await row.ReadAsync(cancellationToken))
            {
                found.Add((row.GetGuid(0), new WorkerRow(row.GetGuid(1), row.GetString(2))));
            }
        }

        return found.ToLookup(static one => one.Worker, static one => one.Row);
    }

    /// <summary>Says that a worker's process has ended: its leases run out at once.</summary>
    /// <returns>False when it had said goodbye, or somebody else had noticed.</returns>
    /// <exception cref="NpgsqlException">The database failed; nothing was changed.</exception>
    public async Task<bool> EndedAsync(Guid worker, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT worker_ended($1)");
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = worker });
        return await command.ExecuteScalarAsync(cancellationToken) is true;
    }
}
