using Npgsql;

namespace Townhall.Ledger;

/// <summary>Where a chain stands, as it was read: what is sealed next must follow from exactly this.</summary>
/// <param name="Epoch">Of the sequencer that wrote last.</param>
internal readonly record struct ChainTail(long Seq, byte[] Hash, long Epoch);

/// <summary>Entries that wait to be sealed, in the order of their arrival.</summary>
internal sealed class PendingPage
{
    public static readonly PendingPage Empty = new();

    internal const string Columns = "id, at, actor, action, agent_id, agent_name, task_id, outcome, detail";

    private readonly List<Entry> _entries = [];

    public int Count => _entries.Count;

    /// <summary>The last one's id; 0 without one.</summary>
    public long LastId => _entries is [.., var last] ? last.Id : 0;

    public void Read(NpgsqlDataReader row) => _entries.Add(new(
        row.GetInt64(0), row.GetDateTime(1), row.GetString(2), row.GetString(3), row.IsDBNull(4) ? null : row.GetGuid(4),
        row.IsDBNull(5) ? null : row.GetString(5), row.IsDBNull(6) ? null : row.GetGuid(6), row.GetString(7), row.GetString(8)));

    /// <summary>Numbers and hashes for each entry, following from <paramref name="tail"/>.</summary>
    public ChainedPage Chain(string town, ChainTail tail)
    {
        var ids = new long[_entries.Count];
        var previous = new byte[_entries.Count][];
        var hashes = new byte[_entries.Count][];
        var (seq, hash) = (tail.Seq, tail.Hash);
        for (var i = 0; i < ids.Length; i++)
        {
            var entry = _entries[i];
            ids[i] = entry.Id;
            previous[i] = hash;
            hashes[i] = hash = LedgerHash.Compute(
                town, ++seq, entry.Id, entry.At, entry.Actor, entry.Action, entry.AgentId, entry.AgentName, entry.TaskId, entry.Outcome,
                entry.Detail, hash);
        }

        return new(tail, ids, previous, hashes);
    }

    private readonly record struct Entry(
        long Id, DateTime At, string Actor, string Action, Guid? AgentId, string? AgentName, Guid? TaskId, string Outcome, string Detail);
}

/// <summary>What sealing a page adds to the entries that lie in the database already.</summary>
/// <param name="From">What the first of them follows from.</param>
internal sealed record ChainedPage(ChainTail From, long[] Ids, byte[][] Previous, byte[][] Hashes)
{
    /// <summary>Where the chain stands behind this page, written in <paramref name="epoch"/>.</summary>
    public ChainTail Tail(long epoch) => new(From.Seq + Ids.Length, Hashes[^1], epoch);
}
