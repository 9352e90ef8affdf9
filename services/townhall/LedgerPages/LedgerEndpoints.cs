using System.ComponentModel.DataAnnotations;
using Microsoft.AspNetCore.Http.HttpResults;
using Npgsql;
using Townhall.Ledger;
using Townhall.Ledger.Checkpoints;
using Townhall.ServiceDefaults.Authentication;
using Townhall.ServiceDefaults.Problems;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Api.LedgerPages;

/// <summary>An entry exactly as it was hashed: <c>detail</c> is the JSON text itself, hashes are lower-case hex, <c>at</c> has microseconds.</summary>
internal sealed record LedgerEntryView(
    long Seq, long Id, DateTime At, string Actor, string Action, Guid? AgentId, string? AgentName, Guid? TaskId, string Outcome,
    string Detail, string PrevHash, string Hash);

/// <summary>Where the chain stands.</summary>
internal sealed record LedgerHeadView(long Seq, string Hash);

/// <param name="NextAfter">Where the next page begins; null at the end.</param>
internal sealed record LedgerPageView(string Town, IReadOnlyList<LedgerEntryView> Entries, LedgerHeadView Head, long? NextAfter);

/// <summary>The chain in pages, complete enough for anybody to verify it elsewhere.</summary>
internal static class LedgerEndpoints
{
    private const int PageMost = 5000;

    public static void AddLedgerPages(this IHostApplicationBuilder builder) =>
        builder.Services.AddSingleton(static services => new LedgerReader(services.GetRequiredService<NpgsqlDataSource>()))
            .AddSingleton(static services => new CheckpointTable(services.GetRequiredService<NpgsqlDataSource>()));

    public static void MapLedgerPages(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/ledger", ListEntries).RequireAuthorization(Scopes.TownRead).WithTags("Ledger");
        routes.MapGet("/v1/ledger/checkpoints", CheckpointEndpoints.ListCheckpoints).RequireAuthorization(Scopes.TownRead).WithTags("Ledger");
        routes.MapGet("/v1/ledger/keys", CheckpointEndpoints.ListLedgerKeys).RequireAuthorization(Scopes.TownRead).WithTags("Ledger");
    }

    internal static async Task<Results<Ok<LedgerPageView>, Refusal>> ListEntries(
        LedgerReader ledger, TownSettings town, CancellationToken cancellationToken,
        [Range(0.0, long.MaxValue)] long after = 0, [Range(1, PageMost)] int limit = 1000)
    {
        if (after < 0 || limit is < 1 or > PageMost)
        {
            return Problems.BadQuery($"after must be at least 0 and limit 1 to {PageMost}.");
        }

        // The head first: entries may be sealed meanwhile, and a page may then go beyond it, never fall short of it.
        var (seq, hash) = await ledger.CheckpointAsync(town.Name, cancellationToken);
        var entries = await ledger.AfterAsync(town.Name, after, limit, cancellationToken);
        return TypedResults.Ok(new LedgerPageView(
            town.Name, [.. entries.Select(View)], new(seq, Convert.ToHexStringLower(hash)),
            entries.Count == limit ? entries[^1].Seq : null));
    }

    private static LedgerEntryView View(LedgerEntry entry) => new(
        entry.Seq, entry.Id, entry.At, entry.Actor, entry.Action, entry.AgentId, entry.AgentName, entry.TaskId, entry.Outcome,
        entry.Detail, Convert.ToHexStringLower(entry.PrevHash), Convert.ToHexStringLower(entry.Hash));
}
