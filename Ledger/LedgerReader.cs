using System.Runtime.CompilerServices;
using Npgsql;

namespace Townhall.Ledger;

/// <summary>Reads the chain in order.</summary>
public sealed class LedgerReader(NpgsqlDataSource database)
{
    private const int PageEntries = 5000;

    internal const string Columns =
        "town, seq, id, at, actor, action, agent_id, agent_name, task_id, outcome, detail, prev_hash, hash";

    /// <summary>Up to <paramref name="most"/> entries behind position <paramref name="after"/>, oldest first; empty at the end.</summary>
    public async Task<IReadOnlyList<LedgerEntry>> AfterAsync(string town, long after, int most, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(
            $"SELECT {Columns} FROM ledger WHERE town = $1 AND seq > $2 ORDER BY seq LIMIT $3");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town });
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = after });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = most });
        var entries = new List<LedgerEntry>();
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken))
        {
            entries.Add(Read(row));
        }

        return entries;
    }

    /// <summary>Up to <paramref name="most"/> entries behind <paramref name="after"/> and not behind <paramref name="upTo"/> that a filter lets through, oldest first.</summary>
    /// <remarks>Fewer than <paramref name="most"/> means that there are no others up to <paramref name="upTo"/>.</remarks>
    public async Task<IReadOnlyList<LedgerEntry>> BetweenAsync(
        string town, long after, long upTo, LedgerFilter filter, int most, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand();
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town });
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = after });
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = upTo });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = most });
        command.CommandText =
            $"SELECT {Columns} FROM ledger WHERE town = $1 AND seq > $2 AND seq <= $3{filter.Conditions(command.Parameters)} ORDER BY seq LIMIT $4";
        var entries = new List<LedgerEntry>();
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken))
        {
            entries.Add(Read(row));
        }

        return entries;
    }

    /// <summary>The first position that is still online; one behind the head when none is.</summary>
    public async Task<long> OldestAsync(string town, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(
            "SELECT coalesce((SELECT seq FROM ledger WHERE town = $1 ORDER BY seq LIMIT 1), (SELECT seq + 1 FROM ledger_head WHERE town = $1), 1)");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town });
        return (long)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    /// <summary>The whole chain in bounded pages, for verification and export.</summary>
    public async IAsyncEnumerable<LedgerEntry> AllAsync(string town, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var reading = AfterAsync(town, 0, PageEntries, cancellationToken);
        try
        {
            while (await reading is { Count: > 0 } page)
            {
                // The next page is on its way while this one is looked at.
                reading = AfterAsync(town, page[^1].Seq, PageEntries, cancellationToken);
                foreach (var entry in page)
                {
                    yield return entry;
                }
            }
        }
        finally
        {
            await ((Task)reading).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Where the town's chain stands; 0 for an empty one.</summary>
    public async Task<long> HeadAsync(string town, CancellationToken cancellationToken) =>
        (await CheckpointAsync(town, cancellationToken)).Seq;

    /// <summary>Where the town's chain stands, with the hash of that entry; 0 and the genesis hash for an empty one.</summary>
    public async Task<(long Seq, byte[] Hash)> CheckpointAsync(string town, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT seq, hash FROM ledger_head WHERE town = $1");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        return await row.ReadAsync(cancellationToken) ? (row.GetInt64(0), row.GetFieldValue<byte[]>(1)) : (0, LedgerHash.Genesis);
    }

    internal static LedgerEntry Read(NpgsqlDataReader row) => new(
        row.GetString(0), row.GetInt64(1), row.GetInt64(2), row.GetDateTime(3), row.GetString(4), row.GetString(5),
        row.IsDBNull(6) ? null : row.GetGuid(6), row.IsDBNull(7) ? null : row.GetString(7),
        row.IsDBNull(8) ? null : row.GetGuid(8), row.GetString(9), row.GetString(10),
        row.GetFieldValue<byte[]>(11), row.GetFieldValue<byte[]>(12));
}
