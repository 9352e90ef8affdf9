using System.ComponentModel.DataAnnotations;
using Microsoft.AspNetCore.Http.HttpResults;
using Townhall.Api.Caching;
using Townhall.Api.Text;
using Townhall.Contracts.Tasks;
using Townhall.ServiceDefaults.Authentication;
using Townhall.ServiceDefaults.Problems;

namespace Townhall.Api.Limits;

/// <summary>What keys allow, who holds them, and the shares of tenants.</summary>
internal static class LimitEndpoints
{
    /// <summary>Names this list for its cursors.</summary>
    private const string List = "limits";

    private const int PageMost = 1000;
    private const int KeyBytes = 4 * TaskLimits.KeyLength;

    public static void AddLimits(this IHostApplicationBuilder builder) => builder.Services.AddSingleton<LimitStore>();

    public static void MapLimits(this IEndpointRouteBuilder routes)
    {
        var limits = routes.MapGroup("/v1/limits").WithTags("Limits");
        limits.MapGet("", ListLimits).RequireAuthorization(Scopes.TownRead).WithEntityTag();
        limits.MapGet("/{key}", GetLimit).RequireAuthorization(Scopes.TownRead).WithEntityTag();
        limits.MapPut("/{key}", PutLimit).RequireAuthorization(Scopes.AgentManage);
        limits.MapDelete("/{key}", DeleteLimit).RequireAuthorization(Scopes.AgentManage);
        limits.MapGet("/{key}/holders", GetHolders).RequireAuthorization(Scopes.TownRead).WithEntityTag();
        var tenants = routes.MapGroup("/v1/tenants/{name}").WithTags("Limits");
        tenants.MapGet("", GetTenant).RequireAuthorization(Scopes.TownRead).WithEntityTag();
        tenants.MapPut("", PutTenant).RequireAuthorization(Scopes.AgentManage);
    }

    internal static async Task<Results<Ok<LimitListView>, Refusal>> ListLimits(
        LimitStore limits, CancellationToken cancellationToken, [Range(1, PageMost)] int limit = PageMost, string? cursor = null)
    {
        if (limit is < 1 or > PageMost)
        {
            return Problems.BadQuery($"limit must be 1 to {PageMost}.");
        }

        if (!Cursors.TryReadText(List, cursor, out var after))
        {
            return Problems.BadCursor();
        }

        var page = await limits.ListAsync(after, limit + 1, cancellationToken);
        var shown = page.Count > limit ? page[..limit] : page;
        return TypedResults.Ok(new LimitListView(
            shown, shown.Count, page.Count > limit ? Cursors.WriteText(List, shown[^1].Key) : null));
    }

    internal static async Task<Results<Ok<LimitView>, Refusal>> GetLimit(string key, LimitStore limits, CancellationToken cancellationToken) =>
        Read(ref key) is { } fault ? fault
        : await limits.FindAsync(key, cancellationToken) is { } limit ? TypedResults.Ok(limit)
        : Problems.LimitNotFound(key);

    /// <summary>Replaces what the key allows. What runs is not touched; what is parked is let in within a second as far as there is room.</summary>
    internal static async Task<Results<Ok<LimitView>, Refusal>> PutLimit(
        string key, NewLimit limit, Caller caller, LimitStore limits, CancellationToken cancellationToken)
    {
        if ((OfAgents(caller) ?? Read(ref key) ?? limit.Fault(key)) is { } fault)
        {
            return fault;
        }

        await limits.SetAsync(key, limit, caller.Name, cancellationToken);
        return await limits.FindAsync(key, cancellationToken) is { } now ? TypedResults.Ok(now) : Problems.LimitNotFound(key);
    }

    /// <summary>Takes the limit back: a concurrency key is one at a time again, a rate key and the town hold nothing back.</summary>
    internal static async Task<Results<NoContent, Refusal>> DeleteLimit(
        string key, Caller caller, LimitStore limits, CancellationToken cancellationToken) =>
        (OfAgents(caller) ?? Read(ref key)) is { } fault ? fault
        : await limits.ForgetAsync(key, caller.Name, cancellationToken) ? TypedResults.NoContent()
        : Problems.LimitNotFound(key);

    internal static async Task<Results<Ok<HoldersView>, Refusal>> GetHolders(string key, LimitStore limits, CancellationToken cancellationToken)
    {
        if (Read(ref key) is { } fault)
        {
            return fault;
        }

        if (await limits.FindAsync(key, cancellationToken) is not { } limit)
        {
            return Problems.LimitNotFound(key);
        }

        var holders = await limits.HoldersAsync(key, cancellationToken);
        return TypedResults.Ok(new HoldersView(key, holders, holders.Count, limit.MaxConcurrency, limit.Held, limit.Parked));
    }

    internal static async Task<Results<Ok<TenantView>, Refusal>> GetTenant(string name, LimitStore limits, CancellationToken cancellationToken) =>
        Read(ref name) is { } fault ? fault : TypedResults.Ok(await limits.TenantAsync(name, cancellationToken));

    internal static async Task<Results<Ok<TenantView>, Refusal>> PutTenant(
        string name, NewShare share, Caller caller, LimitStore limits, CancellationToken cancellationToken)
    {
        if ((OfAgents(caller) ?? Read(ref name) ?? (share.Weight is >= 1 and <= 100 ? null : Problems.Invalid("weight must be 1 to 100."))) is { } fault)
        {
            return fault;
        }

        await limits.SetTenantAsync(name, share.Weight!.Value, caller.Name, cancellationToken);
        return TypedResults.Ok(await limits.TenantAsync(name, cancellationToken));
    }

    /// <summary>What an agent may do at once is not for agents to say.</summary>
    private static Refusal? OfAgents(Caller caller) => caller.Agent is null ? null : Problems.BoundToAgent("it sets no limits and no shares");

    /// <summary>A slash inside a path segment arrives encoded, everything else is decoded already.</summary>
    private static Refusal? Read(ref string name)
    {
        name = name.Replace("%2F", "/", StringComparison.OrdinalIgnoreCase);
        return PlainText.Fault("the name in the path", name, KeyBytes, lines: false) is { } fault ? Problems.BadQuery(fault)
            : name.Length > TaskLimits.KeyLength ? Problems.BadQuery($"the name in the path is longer than {TaskLimits.KeyLength} characters.")
            : null;
    }
}

/// <summary><c>PUT /v1/limits/{key}</c>.</summary>
/// <param name="MaxConcurrency">Running tasks with this concurrency key, 0 to 100000; null: as many as want.</param>
/// <param name="RatePerMinute">Starts a minute of tasks with this rate key, more than 0, at most 1000000; null: as fast as they come.</param>
/// <param name="Burst">Starts saved up while nobody wants one, 1 to 100000; default 1.</param>
internal sealed record NewLimit(
    [Range(0, 100_000)] int? MaxConcurrency = null, [Range(0.0, 1_000_000.0, MinimumIsExclusive = true)] double? RatePerMinute = null,
    [Range(1, 100_000)] int? Burst = null)
{
    public Refusal? Fault(string key) =>
        MaxConcurrency is < 0 or > 100_000 ? Problems.Invalid("max_concurrency must be 0 to 100000, or null.")
        : RatePerMinute is not (null or (> 0 and <= 1_000_000)) ? Problems.Invalid("rate_per_minute must be more than 0 and at most 1000000, or null.")
        : Burst is < 1 or > 100_000 ? Problems.Invalid("burst must be 1 to 100000.")
        : key == LimitStore.Town && RatePerMinute is not null ? Problems.Invalid("The town as a whole has max_concurrency only.")
        : null;
}

/// <param name="Configured">False where nobody set it: then the values are the defaults.</param>
/// <param name="Held">Permits in use.</param>
/// <param name="Tokens">Starts that the rate allows at once; null without a rate.</param>
/// <param name="Parked">Tasks that wait for this key.</param>
internal sealed record LimitView(
    string Key, int? MaxConcurrency, double? RatePerMinute, int Burst, bool Configured, long Held, double? Tokens, long Parked);

internal sealed record LimitListView(IReadOnlyList<LimitView> Limits, int Count, string? NextCursor);

/// <param name="Holders">At most 1000, longest first.</param>
internal sealed record HoldersView(string Key, IReadOnlyList<HolderView> Holders, int Count, int? MaxConcurrency, long Held, long Parked) : ITagged
{
    // That it is held longer with every look is no news.
    object ITagged.ForTag() => this with { Holders = [.. Holders.Select(static holder => holder with { HeldForSecs = 0 })] };
}

/// <param name="LeaseUntil">When the permit comes back at the latest, unless the lease is renewed.</param>
internal sealed record HolderView(
    Guid TaskId, Guid AgentId, string? AgentName, Guid WorkerId, string? WorkerName, int Attempt, DateTime LeaseUntil, double HeldForSecs);

/// <summary><c>PUT /v1/tenants/{name}</c>: 1 to 100.</summary>
internal sealed record NewShare([Range(1, 100)] int? Weight);

/// <param name="Weight">Its share of turns among the tenants; 1 where nobody said otherwise.</param>
/// <param name="Agents">Agents that are its own.</param>
internal sealed record TenantView(string Name, int Weight, long Agents);
