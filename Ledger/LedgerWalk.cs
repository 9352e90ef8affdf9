namespace Townhall.Ledger;

/// <summary>One walk over a chain, entry by entry, for whoever reads them in a way of their own.</summary>
/// <param name="kept">What somebody remembers of the chain, in any order.</param>
public sealed class LedgerWalk(IEnumerable<ChainPlace> kept)
{
    private readonly ChainPlace[] _kept = [.. kept.OrderBy(static place => place.Seq)];
    private int _reached;
    private long _proven;
    private long _last;
    private byte[] _previous = LedgerHash.Genesis;

    /// <summary>The next entry as it was read.</summary>
    /// <returns>What is wrong with it, or null.</returns>
    public LedgerVerdict? Next(LedgerEntry entry) => Next(entry.Seq, entry.PrevHash, entry.Hash, LedgerHash.Compute(entry));

    /// <summary>The same for an entry whose hash was computed elsewhere.</summary>
    /// <param name="computed">The hash that its fields really have.</param>
    public LedgerVerdict? Next(long seq, byte[] previous, byte[] hash, byte[] computed)
    {
        // What is remembered of the empty chain is compared before the first entry.
        if (_last == 0 && Remembered() is { } before)
        {
            return before;
        }

        var expected = _last + 1;
        if (Fault(seq, previous, hash, computed, expected) is { } why)
        {
            return new(_last, expected, why);
        }

        (_last, _previous) = (expected, hash);
        return Remembered();
    }

    /// <summary>What should be the next entry cannot be read.</summary>
    public LedgerVerdict Unreadable(string why) => new(_last, _last + 1, why);

    /// <summary>There are no more entries.</summary>
    /// <param name="head">What the chain must end with; null when unknown.</param>
    public LedgerVerdict End((long Seq, byte[] Hash)? head)
    {
        if (_last == 0 && Remembered() is { } before)
        {
            return before;
        }

        if (_reached < _kept.Length)
        {
            return Missing(_kept[^1].Seq);
        }

        return head switch
        {
            null => new(_last, null, null),
            { } end when end.Seq > _last => Missing(end.Seq),
            { } end when end.Seq < _last => new(end.Seq, end.Seq + 1, $"The chain goes on after {end.Seq}, where it should end."),
            { } end when !end.Hash.AsSpan().SequenceEqual(_previous) => new(_last, _last, $"Entry {_last} is not the one the head remembers."),
            _ => new(_last, null, null),
        };

        LedgerVerdict Missing(long seq) => new(_last, _last + 1, $"The chain ends at {_last}, but {seq} was reached before: its tail is missing.");
    }

    private LedgerVerdict? Remembered()
    {
        for (; _reached < _kept.Length && _kept[_reached].Seq == _last; _reached++)
        {
            if (!_kept[_reached].Hash.AsSpan().SequenceEqual(_previous))
            {
                return _last == 0
                    ? new(0, 1, "What was kept of the empty chain is not how a chain begins.")
                    : new(_proven, _proven + 1,
                        $"Entry {_last} is not the one that was kept: entries from {_proven + 1} on were rewritten, and their hashes with them.");
            }
        }

        if (_reached > 0 && _kept[_reached - 1].Seq == _last)
        {
            _proven = _last;
        }

        return null;
    }

    private string? Fault(long seq, byte[] previous, byte[] hash, byte[] computed, long expected)
    {
        if (seq != expected)
        {
            return seq > expected
                ? $"Entry {expected} is missing; {seq} follows {expected - 1}."
                : $"Entry {seq} stands twice.";
        }

        if (!previous.AsSpan().SequenceEqual(_previous))
        {
            return $"Entry {expected} does not follow from entry {expected - 1}.";
        }

        return computed.AsSpan().SequenceEqual(hash) ? null : $"Entry {expected} was changed after it was sealed.";
    }
}
