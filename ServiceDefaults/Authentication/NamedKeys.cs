using Townhall.Contracts.Keys;

namespace Townhall.ServiceDefaults.Authentication;

/// <summary>The named keys of the town, for a scheme of a service's own that takes them beside another proof; in every mode.</summary>
public sealed class NamedKeys
{
    private readonly KeyRing _ring;

    internal NamedKeys(KeyRing ring) => _ring = ring;

    /// <returns>Whose key it is, or null when it is nobody's, or has ended.</returns>
    /// <exception cref="TimeoutException">The database does not say: that is 503, never 401.</exception>
    public async ValueTask<Caller?> FindAsync(string credential, CancellationToken cancellationToken)
    {
        if (Judge(credential, out var caller) is not false)
        {
            return caller;
        }

        return !await _ring.LookAsync().WaitAsync(cancellationToken) ? throw new TimeoutException("The keys of the town cannot be read.")
            : Judge(credential, out caller) is true ? caller : null;
    }

    /// <returns>Null when it has not the form of a key; false when nothing recent enough is known about it.</returns>
    private bool? Judge(string credential, out Caller? caller)
    {
        caller = null;
        Span<byte> hash = stackalloc byte[KeyFormat.HashBytes];
        return KeyFormat.TryRead(credential, out var id, hash) ? _ring.TryJudge(id, hash, out caller) : null;
    }
}
