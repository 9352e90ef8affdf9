using System.Text.Json;

namespace Townhall.Client;

/// <summary>An entry exactly as it was hashed: <c>Detail</c> is the JSON text itself, hashes are hex.</summary>
public sealed record LedgerRow(
    long Seq, long Id, DateTime At, string Actor, string Action, Guid? AgentId, string? AgentName, Guid? TaskId, string Outcome,
    string Detail, string PrevHash, string Hash);

public sealed record LedgerHead(long Seq, string Hash);

public sealed record LedgerPage(string Town, LedgerRow[] Entries, LedgerHead Head, long? NextAfter);

/// <summary>A signed checkpoint as the town shows it: check its signature, never believe it.</summary>
public sealed record LedgerCheckpoint(long Id, string Town, long Seq, string Hash, DateTime At, string KeyId, string Signature);

public sealed record CheckpointPage(LedgerCheckpoint[] Checkpoints, long? NextAfter, int Count = 0);

/// <param name="PublicKey">PEM.</param>
/// <param name="Since">When the town first signed with it.</param>
public sealed record LedgerKey(string KeyId, string PublicKey, string? Algorithm = null, DateTime? Since = null);

/// <param name="Keys">Oldest first.</param>
public sealed record LedgerKeys(LedgerKey[] Keys, int Count = 0);

/// <summary>One event, as <c>data:</c> of <c>GET /events</c> says.</summary>
public sealed record TownEvent(
    long Seq, string Id, Guid? AgentId, string? AgentName, Guid? TaskId, string Actor, string Action, DateTime Timestamp,
    JsonElement Detail, string Outcome, string PrevHash, string Hash)
{
    /// <summary>Equal to <see cref="Detail"/>, as older readers call it.</summary>
    public JsonElement Payload => Detail;
}

/// <summary>Which events to follow; everything that is said must hold.</summary>
public sealed record EventQuery
{
    /// <summary>Begin behind this entry; 0 is the beginning, null is now.</summary>
    public long? After { get; init; }

    /// <summary>An agent's id or name.</summary>
    public string? Agent { get; init; }

    public Guid? Task { get; init; }

    /// <summary>As <c>TaskCompleted</c> or <c>task_completed</c>; empty for all.</summary>
    public IReadOnlyList<string> Actions { get; init; } = [];
}

/// <summary>One thing that came out of the stream: an event, a gap, or only a newer position.</summary>
/// <param name="Position">Where a reader stands behind it; null when it did not say.</param>
/// <param name="Gap">What the town says about entries that it cannot send.</param>
public sealed record StreamItem(long? Position, TownEvent? Event = null, string? Gap = null);
