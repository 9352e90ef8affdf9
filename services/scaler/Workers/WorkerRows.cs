using Npgsql;

namespace Townhall.Scaler.Workers;

/// <summary>What the town knows of the workers that this process started.</summary>
internal sealed class WorkerRows(NpgsqlDataSource database)
{
    /// <summary>The state of each of <paramref name="workers"/> that has registered; the others are absent.</summary>
    /// <exception cref="NpgsqlException">The database failed.</exception>
    public async Task<IReadOnlyDictionary<Guid, string>> StatesAsync(Guid[] workers, CancellationToken cancellationToken)
    {
        var states = new Dictionary<Guid, string>(workers.Length);
        if (workers.Length == 0)
        {
            return states;
        }

        await using var command = database.CreateCommand("SELECT id, state FROM worker WHERE id = ANY ($1)");
        command.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = workers });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken))
        {
            states.Add(row.GetGuid(0), row.GetString(1));
        }

        return states;
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
