using System.ComponentModel.DataAnnotations;
using Microsoft.AspNetCore.Http.HttpResults;
using Townhall.Ledger.Checkpoints;
using Townhall.ServiceDefaults.Problems;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Api.LedgerPages;

/// <summary>A signed checkpoint: <c>hash</c> is lower-case hex, <c>at</c> has microseconds, <c>signature</c> is base64.</summary>
/// <param name="Id">Order of making; rises, with gaps.</param>
internal sealed record CheckpointView(long Id, string Town, long Seq, string Hash, DateTime At, string KeyId, string Signature);

/// <param name="NextAfter">Where the next page begins; null at the end.</param>
internal sealed record CheckpointPageView(IReadOnlyList<CheckpointView> Checkpoints, int Count, long? NextAfter);

/// <summary>A key that signs, or signed, this town's checkpoints; the key itself as PEM.</summary>
internal sealed record LedgerKeyView(string KeyId, string Algorithm, string PublicKey, DateTime Since);

internal sealed record LedgerKeyListView(IReadOnlyList<LedgerKeyView> Keys, int Count);

/// <summary>What a client keeps elsewhere to be able to tell later that the ledger is still the same one.</summary>
internal static class CheckpointEndpoints
{
    private const int PageMost = 5000;

    /// <summary>Signed heads of the ledger, oldest first.</summary>
    internal static async Task<Results<Ok<CheckpointPageView>, Refusal>> ListCheckpoints(
        CheckpointTable table, TownSettings town, CancellationToken cancellationToken,
        [Range(0.0, long.MaxValue)] long after = 0, [Range(1, PageMost)] int limit = 1000)
    {
        if (after < 0 || limit is < 1 or > PageMost)
        {
            return Problems.BadQuery($"after must be at least 0 and limit 1 to {PageMost}.");
        }

        var page = await table.AfterAsync(town.Name, after, limit, cancellationToken);
        return TypedResults.Ok(new CheckpointPageView(
            [.. page.Select(static one => View(one.Id, one.Checkpoint))], page.Count, page.Count == limit ? page[^1].Id : null));
    }

    /// <summary>Public keys with which checkpoints were signed.</summary>
    internal static async Task<Ok<LedgerKeyListView>> ListLedgerKeys(CheckpointTable table, TownSettings town, CancellationToken cancellationToken)
    {
        var keys = await table.KeysAsync(town.Name, cancellationToken);
        return TypedResults.Ok(new LedgerKeyListView(
            [.. keys.Select(static key => new LedgerKeyView(key.Id, "ecdsa-p256-sha256", key.Pem, key.Since))], keys.Count));
    }

    private static CheckpointView View(long id, Checkpoint checkpoint) => new(
        id, checkpoint.Town, checkpoint.Seq, Convert.ToHexStringLower(checkpoint.Hash), checkpoint.At, checkpoint.KeyId,
        Convert.ToBase64String(checkpoint.Signature));
}
