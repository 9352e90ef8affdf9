using Townhall.Contracts.Ids;

namespace Townhall.ServiceDefaults.Authentication;

/// <summary>One named key as a process remembers it, until it changes.</summary>
internal sealed class KnownKey
{
    private readonly Action _end;
    private readonly DateTime? _expiresAt;

    public KnownKey(byte[] hash, string name, ScopeSet scopes, AgentId? agent, DateTime? expiresAt, string town, KeyRing ring)
    {
        var ended = new CancellationTokenSource();      // no timer and no handle: nothing to dispose
        Hash = hash;
        _expiresAt = expiresAt;
        _end = ended.Cancel;
        Caller = new Caller($"key:{name}", scopes, town, agent) { Ended = ended.Token, KeepWatch = ring.KeepLooking };
    }

    public byte[] Hash { get; }

    public Caller Caller { get; }

    /// <summary>Not 0: used since somebody last noted it.</summary>
    public int UsedAt;

    public bool EndsBefore(DateTime databaseNow) => _expiresAt <= databaseNow;

    public bool IsAs(KnownKey other) =>
        !Caller.Ended.IsCancellationRequested && Hash.AsSpan().SequenceEqual(other.Hash) && _expiresAt == other._expiresAt
        && Caller.Name == other.Caller.Name && Caller.Scopes == other.Caller.Scopes && Caller.Agent == other.Caller.Agent;

    /// <summary>Tells open calls that their key is over.</summary>
    public void End() => _end();
}
