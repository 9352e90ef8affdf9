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
}
