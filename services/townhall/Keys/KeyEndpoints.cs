using System.ComponentModel.DataAnnotations;
using System.Diagnostics;
using Microsoft.AspNetCore.Http.HttpResults;
using Townhall.Api.Caching;
using Townhall.Api.Text;
using Townhall.ServiceDefaults.Authentication;
using Townhall.ServiceDefaults.Problems;

namespace Townhall.Api.Keys;

/// <summary>Named keys of callers. A key is told once, when it is made; afterwards nobody can read it, also not from the database.</summary>
internal static class KeyEndpoints
{
    /// <summary>Names this list for its cursors.</summary>
    private const string List = "keys";

    private const int PageMost = 1000;

    public static void AddKeys(this IHostApplicationBuilder builder)
    {
        builder.Services.AddSingleton<KeyStore>();
        builder.Services.ConfigureHttpJsonOptions(static json => json.SerializerOptions.TypeInfoResolverChain.Insert(0, KeyJson.Default));
    }

    public static void MapKeys(this IEndpointRouteBuilder routes)
    {
        var keys = routes.MapGroup("/v1/keys").WithTags("Keys");
        keys.MapGet("", ListKeys).RequireAuthorization(Scopes.Admin).WithEntityTag();
        keys.MapPost("", MakeKey).RequireAuthorization(Scopes.Admin);
        keys.MapPost("/{id}/rotate", RotateKey).RequireAuthorization(Scopes.Admin);
        keys.MapDelete("/{id}", RevokeKey).RequireAuthorization(Scopes.Admin);
    }

    internal static async Task<Results<Ok<KeyListView>, Refusal>> ListKeys(
        KeyStore keys, CancellationToken cancellationToken, [Range(1, PageMost)] int limit = PageMost, string? cursor = null)
    {
        if (limit is < 1 or > PageMost)
        {
            return Problems.BadQuery($"limit must be 1 to {PageMost}.");
        }

        if (!Cursors.TryReadText(List, cursor, out var after))
        {
            return Problems.BadCursor();
        }

        var page = await keys.ListAsync(after, limit + 1, cancellationToken);
        var shown = page.Count > limit ? page[..limit] : page;
        return TypedResults.Ok(new KeyListView(shown, shown.Count, page.Count > limit ? Cursors.WriteText(List, shown[^1].KeyId) : null));
    }

    /// <summary>201 with the key itself, for the only time. It takes no idempotency key, because an answer that is kept would keep the secret.</summary>
    internal static async Task<Results<Created<MadeKey>, Refusal>> MakeKey(
        HttpContext context, NewKey key, Caller caller, KeyStore keys, CancellationToken cancellationToken)
    {
        if (key.Fault() is { } fault)
        {
            return fault;
        }

        if (caller.Agent is not null)
        {
            return Problems.BoundToAgent("it makes no keys");
        }

        context.Response.Headers.CacheControl = "no-store";
        return await keys.MakeAsync(key, caller.Name, cancellationToken) switch
        {
            KeyChange.Made(var made) => TypedResults.Created($"/v1/keys/{made.KeyId}", made),
            KeyChange.NameTaken => Problems.KeyNameTaken(key.Name!),
            KeyChange.TooMany => Problems.TooManyKeys(KeyStore.LivingMost),
            KeyChange.NoAgent => Problems.AgentNotFound(key.AgentId.ToString()!),
            _ => throw new UnreachableException(),
        };
    }

    /// <summary>201 with a new key of the same name and scopes; the old one goes on for the overlap.</summary>
    internal static async Task<Results<Created<MadeKey>, Refusal>> RotateKey(
        HttpContext context, string id, Caller caller, KeyStore keys, CancellationToken cancellationToken, KeyRotation? rotation = null)
    {
        rotation ??= new KeyRotation();
        if (rotation.Fault() is { } fault)
        {
            return fault;
        }

        if (!KeyStore.IsId(id))
        {
            return Problems.KeyNotFound(id);
        }

        if (caller.Agent is not null)
        {
            return Problems.BoundToAgent("it makes no keys");
        }

        context.Response.Headers.CacheControl = "no-store";
        return await keys.RotateAsync(id, rotation, caller.Name, cancellationToken) switch
        {
            KeyChange.Made(var made) => TypedResults.Created($"/v1/keys/{made.KeyId}", made),
            KeyChange.Ended => Problems.KeyEnded(id),
            KeyChange.NotFound => Problems.KeyNotFound(id),
            _ => throw new UnreachableException(),
        };
    }

    /// <summary>204, also when it was revoked before: at the latest 5 s later no service takes it, and streams that it opened have ended.</summary>
    internal static async Task<Results<NoContent, Refusal>> RevokeKey(
        string id, Caller caller, KeyStore keys, CancellationToken cancellationToken) =>
        KeyStore.IsId(id) && await keys.RevokeAsync(id, caller.Name, cancellationToken) ? TypedResults.NoContent() : Problems.KeyNotFound(id);
}

/// <summary><c>POST /v1/keys</c>.</summary>
/// <param name="Name">What the ledger calls its holder, after <c>key:</c>; 1 to 100 printable characters, one living key a name.</param>
/// <param name="Scopes">At least one.</param>
/// <param name="AgentId">The one agent that it may act as; null: none in particular.</param>
/// <param name="ExpiresInSecs">Its life, 60 s to ten years; null: until it is revoked.</param>
internal sealed record NewKey(
    [Required, Plain(NewKey.NameBytes)] string? Name = null,
    [Required, Length(1, 16), AllowedValues("town.read", "town.write", "agent.manage", "admin", "worker")] string[]? Scopes = null,
    Guid? AgentId = null, [Range(60.0, NewKey.LifeMost)] long? ExpiresInSecs = null)
{
    private const int NameBytes = 100;
    private const long LifeMost = 10L * 366 * 24 * 3600;

    public Refusal? Fault() =>
        PlainText.Fault("name", Name, NameBytes, lines: false) is { } fault ? Problems.Invalid(fault)
        : Scopes is not { Length: >= 1 and <= 16 } || Scopes.Any(static word => ServiceDefaults.Authentication.Scopes.Of(word) == ScopeSet.None)
            ? Problems.Invalid($"scopes must hold at least one of {string.Join(", ", ServiceDefaults.Authentication.Scopes.All)}, and nothing else.")
        : ExpiresInSecs is < 60 or > LifeMost ? Problems.Invalid($"expires_in_secs must be 60 to {LifeMost}.")
        : null;
}

/// <summary><c>POST /v1/keys/{id}/rotate</c>.</summary>
/// <param name="OverlapSecs">How long the old key goes on, 0 to 30 days; default one hour.</param>
/// <param name="ExpiresInSecs">Life of the new key; null: as long as the old one's was.</param>
internal sealed record KeyRotation(
    [Range(0, 30 * 24 * 3600)] long OverlapSecs = 3600, [Range(60.0, 10.0 * 366 * 24 * 3600)] long? ExpiresInSecs = null)
{
    public Refusal? Fault() =>
        OverlapSecs is < 0 or > 30 * 24 * 3600 ? Problems.Invalid("overlap_secs must be 0 to 2592000.")
        : new NewKey("any", [Scopes.TownRead], null, ExpiresInSecs).Fault();
}

/// <param name="Key">The key itself: told now and never again.</param>
/// <param name="ReplacedKeyId">The key that it takes the place of.</param>
internal sealed record MadeKey(
    string KeyId, string Name, string Key, string[] Scopes, Guid? AgentId, DateTime CreatedAt, DateTime? ExpiresAt, string? ReplacedKeyId);

/// <param name="State"><c>active</c>, <c>replaced</c> (goes on until it expires), <c>expired</c> or <c>revoked</c>.</param>
/// <param name="LastUsedAt">To the minute; null while it was not used.</param>
internal sealed record KeyView(
    string KeyId, string Name, string[] Scopes, Guid? AgentId, [AllowedValues("active", "replaced", "expired", "revoked")] string State, string CreatedBy, DateTime CreatedAt, DateTime? ExpiresAt,
    DateTime? RevokedAt, DateTime? LastUsedAt, string? ReplacedBy);

internal sealed record KeyListView(IReadOnlyList<KeyView> Keys, int Count, string? NextCursor);
