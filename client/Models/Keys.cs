using System.Text;

namespace Townhall.Client;

/// <summary>What is said of a new key.</summary>
/// <param name="Scopes">At least one of <c>town.read</c>, <c>town.write</c>, <c>agent.manage</c>, <c>admin</c>, <c>worker</c>.</param>
/// <param name="AgentId">The one agent that its holder may act as; null: none in particular.</param>
/// <param name="ExpiresInSecs">Its life, 60 s to ten years; null: until it is revoked.</param>
public sealed record NewKey(string Name, IReadOnlyList<string> Scopes, Guid? AgentId = null, long? ExpiresInSecs = null);

/// <summary>A key that was just made.</summary>
/// <param name="Key">The key itself: told now and never again, and not part of the record's text.</param>
/// <param name="ReplacedKeyId">The key that it takes the place of.</param>
public sealed record MadeKey(
    string KeyId, string Name, string Key, string[] Scopes, DateTime CreatedAt, Guid? AgentId = null, DateTime? ExpiresAt = null,
    string? ReplacedKeyId = null)
{
    // The text of a record lands in logs and messages of failed tests.
    private bool PrintMembers(StringBuilder text)
    {
        text.Append(nameof(KeyId)).Append(" = ").Append(KeyId).Append(", ").Append(nameof(Name)).Append(" = ").Append(Name);
        return true;
    }
}

/// <summary>A key as <c>GET /v1/keys</c> says: everything but the key.</summary>
/// <param name="State"><c>active</c>, <c>replaced</c> (goes on until it expires), <c>expired</c> or <c>revoked</c>.</param>
/// <param name="LastUsedAt">To the minute; null while it was not used.</param>
/// <param name="ReplacedBy">The id of the key that took its place.</param>
public sealed record TownKey(
    string KeyId, string Name, string[] Scopes, string State, string CreatedBy, DateTime CreatedAt, Guid? AgentId = null,
    DateTime? ExpiresAt = null, DateTime? RevokedAt = null, DateTime? LastUsedAt = null, string? ReplacedBy = null);

public sealed record KeyPage(TownKey[] Keys, int Count, string? NextCursor = null);

internal sealed record KeyRotation(long? OverlapSecs, long? ExpiresInSecs);
