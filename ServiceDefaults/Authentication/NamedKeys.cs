using Townhall.Contracts.Keys;

namespace Townhall.ServiceDefaults.Authentication;

/// <summary>What the town says of a credential that has the form of a key.</summary>
internal enum KeyVerdict
{
    /// <summary>The database does not say: that is 503, never 401.</summary>
    Unread,

    /// <summary>Nobody's; a key of another town as well.</summary>
    Unknown,

    /// <summary>Somebody's, who is told when the key is right and has not ended.</summary>
    Known,
}

/// <summary>The named keys of the town: the one place where a credential becomes their holder, in every mode and for every scheme.</summary>
public sealed class NamedKeys
{
    private readonly KeyRing _ring;

    internal NamedKeys(KeyRing ring) => _ring = ring;

    /// <returns>Whose key it is, or null when it is nobody's, or has ended.</returns>
    /// <exception cref="TimeoutException">The database does not say: that is 503, never 401.</exception>
    public async ValueTask<Caller?> FindAsync(string credential, CancellationToken cancellationToken)
    {
        if (TryJudge(credential, out var caller))
        {
            return caller;
        }

        (var verdict, caller) = await LookAsync(credential, cancellationToken);
        return verdict == KeyVerdict.Unread ? throw new TimeoutException("The keys of the town cannot be read.") : caller;
    }

    /// <summary>Judges by what is known, without waiting.</summary>
    /// <returns>False when nothing recent enough is known about it: then <see cref="LookAsync"/>.</returns>
    internal bool TryJudge(ulong id, ReadOnlySpan<byte> hash, out Caller? caller) => _ring.TryJudge(id, hash, out caller);

    /// <summary>Judges after a look that began now, or a little later together with others'.</summary>
    internal async Task<(KeyVerdict Verdict, Caller? Caller)> LookAsync(string credential, CancellationToken cancellationToken) =>
        !await _ring.LookAsync().WaitAsync(cancellationToken) ? (KeyVerdict.Unread, null)
        : TryJudge(credential, out var caller) ? (KeyVerdict.Known, caller)
        : (KeyVerdict.Unknown, null);

    /// <returns>True, too, when it has not the form of a key: then it is nobody's whoever looks.</returns>
    private bool TryJudge(string credential, out Caller? caller)
    {
        caller = null;
        Span<byte> hash = stackalloc byte[KeyFormat.HashBytes];
        return !KeyFormat.TryRead(credential, out var id, hash) || TryJudge(id, hash, out caller);
    }
}
