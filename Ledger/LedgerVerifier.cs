namespace Townhall.Ledger;

/// <summary>What a walk over the chain found.</summary>
/// <param name="Checked">Entries that are sound, from the first on.</param>
/// <param name="FirstBad">The first position that is not, or null.</param>
/// <param name="Why">What is wrong there, in words; null when nothing is.</param>
public sealed record LedgerVerdict(long Checked, long? FirstBad, string? Why);

/// <summary>Walks a chain from its first entry and names the first bad one. Needs no database: any source of entries will do.</summary>
public static class LedgerVerifier
{
    /// <summary>Checks numbers, links and hashes of every entry, and the end against <paramref name="head"/> where that is known.</summary>
    /// <param name="entries">The chain in order of position.</param>
    /// <param name="head">Position and hash that the chain must end with, from a head row or a kept checkpoint; null when unknown.</param>
    public static async Task<LedgerVerdict> VerifyAsync(
        IAsyncEnumerable<LedgerEntry> entries, (long Seq, byte[] Hash)? head, CancellationToken cancellationToken)
    {
        var expected = 1L;
        var previous = LedgerHash.Genesis;
        await foreach (var entry in entries.WithCancellation(cancellationToken))
        {
            if (Fault(entry, expected, previous) is { } why)
            {
                return new(expected - 1, expected, why);
            }

            previous = entry.Hash;
            expected++;
        }

        var last = expected - 1;
        return head switch
        {
            null => new(last, null, null),
            { } end when end.Seq > last => new(last, last + 1, $"The chain ends at {last}, but {end.Seq} was reached before: its tail is missing."),
            { } end when end.Seq < last => new(end.Seq, end.Seq + 1, $"The chain goes on after {end.Seq}, where it should end."),
            { } end when !end.Hash.AsSpan().SequenceEqual(previous) => new(last, last, $"Entry {last} is not the one the head remembers."),
            _ => new(last, null, null),
        };
    }

    private static string? Fault(LedgerEntry entry, long expected, byte[] previous)
    {
        if (entry.Seq != expected)
        {
            return entry.Seq > expected
                ? $"Entry {expected} is missing; {entry.Seq} follows {expected - 1}."
                : $"Entry {entry.Seq} stands twice.";
        }

        if (!entry.PrevHash.AsSpan().SequenceEqual(previous))
        {
            return $"Entry {expected} does not follow from entry {expected - 1}.";
        }

        return LedgerHash.Compute(entry).AsSpan().SequenceEqual(entry.Hash) ? null : $"Entry {expected} was changed after it was sealed.";
    }
}
