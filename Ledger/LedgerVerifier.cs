namespace Townhall.Ledger;

/// <summary>What a walk over the chain found.</summary>
/// <param name="Checked">Entries that are sound, from the first on.</param>
/// <param name="FirstBad">The first position that is not, or null.</param>
/// <param name="Why">What is wrong there, in words; null when nothing is.</param>
public sealed record LedgerVerdict(long Checked, long? FirstBad, string? Why);

/// <summary>A place of the chain that somebody remembers: from a head row, or from a kept checkpoint.</summary>
/// <param name="Seq">The entry; 0 for the empty chain.</param>
/// <param name="Hash">Its hash.</param>
public readonly record struct ChainPlace(long Seq, byte[] Hash);

/// <summary>Walks a chain from its first entry and names the first bad one. Needs no database: any source of entries will do.</summary>
public static class LedgerVerifier
{
    /// <summary>Checks numbers, links and hashes of every entry, and the end against <paramref name="head"/> where that is known.</summary>
    /// <param name="entries">The chain in order of position.</param>
    /// <param name="head">Position and hash that the chain must end with, from a head row or a kept checkpoint; null when unknown.</param>
    public static Task<LedgerVerdict> VerifyAsync(
        IAsyncEnumerable<LedgerEntry> entries, (long Seq, byte[] Hash)? head, CancellationToken cancellationToken) =>
        VerifyAsync(entries, head, [], cancellationToken);

    /// <summary>The same, and each kept place against the entry that stands there.</summary>
    /// <param name="kept">What somebody remembers of the chain, in any order; a chain that lacks one of them was cut or rewritten.</param>
    /// <remarks>
    /// A rewrite with recomputed hashes has no bad link: the first position named is the one behind the last kept place that
    /// still holds, because nothing proves what follows it.
    /// </remarks>
    public static async Task<LedgerVerdict> VerifyAsync(
        IAsyncEnumerable<LedgerEntry> entries, (long Seq, byte[] Hash)? head, IEnumerable<ChainPlace> kept, CancellationToken cancellationToken)
    {
        var walk = new LedgerWalk(kept);
        await foreach (var entry in entries.WithCancellation(cancellationToken))
        {
            if (walk.Next(entry) is { } bad)
            {
                return bad;
            }
        }

        return walk.End(head);
    }
}
