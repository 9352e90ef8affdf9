using System.Security.Cryptography;
using Microsoft.AspNetCore.Http.HttpResults;
using Townhall.Api.Output;
using Townhall.Contracts.Tasks;
using Townhall.ServiceDefaults.Authentication;
using Townhall.ServiceDefaults.Guards;
using Townhall.ServiceDefaults.Problems;

namespace Townhall.Api.Blobs;

/// <summary>Bytes under their own SHA-256: the same bytes are stored once, whoever sends them.</summary>
internal static class BlobEndpoints
{
    public static void MapBlobs(this IEndpointRouteBuilder routes)
    {
        var blobs = routes.MapGroup("/v1/blobs").WithTags("Blobs");
        blobs.MapPost("", PostBlob).RequireAuthorization(Scopes.TownWrite).WithMetadata(new AcceptsBytesAttribute())
            .WithName("addBlob").WithSummary("Store bytes, at most 1 MiB").ProducesProblem(413);
        blobs.MapPut("/{sha256}", PutBlob).RequireAuthorization(Scopes.TownWrite).WithMetadata(new AcceptsBytesAttribute())
            .WithName("putBlob").WithSummary("Store bytes whose hash is known").ProducesProblem(400).ProducesProblem(413).ProducesProblem(422);
    }

    internal static async Task<Results<Created<StoredBlob>, Refusal>> PostBlob(HttpContext context, OutputStore output, CancellationToken cancellationToken)
    {
        if (await ReadAsync(context.Request, cancellationToken) is not { } bytes)
        {
            return CommonRefusals.TooLarge;
        }

        return await StoreAsync(SHA256.HashData(bytes), bytes, output, cancellationToken);
    }

    internal static async Task<Results<Created<StoredBlob>, Refusal>> PutBlob(
        string sha256, HttpContext context, OutputStore output, CancellationToken cancellationToken)
    {
        if (sha256.Length != 64 || !sha256.All(char.IsAsciiHexDigitLower))
        {
            return Problems.BadQuery("A blob is named by its SHA-256 in 64 lower-case hex digits.");
        }

        if (await ReadAsync(context.Request, cancellationToken) is not { } bytes)
        {
            return CommonRefusals.TooLarge;
        }

        var hash = SHA256.HashData(bytes);
        return hash.AsSpan().SequenceEqual(Convert.FromHexString(sha256)) ? await StoreAsync(hash, bytes, output, cancellationToken) : Problems.BlobMismatch();
    }

    private static async Task<Created<StoredBlob>> StoreAsync(byte[] hash, byte[] bytes, OutputStore output, CancellationToken cancellationToken)
    {
        await output.PutBlobAsync(hash, bytes, cancellationToken);
        var name = Convert.ToHexStringLower(hash);
        return TypedResults.Created($"/v1/blobs/{name}", new StoredBlob(name, bytes.Length));
    }

    /// <summary>The whole body; null when it is larger than a blob. Never holds more than that of it.</summary>
    private static async Task<byte[]?> ReadAsync(HttpRequest request, CancellationToken cancellationToken)
    {
        if (request.ContentLength > TaskLimits.BlobBytes)
        {
            return null;
        }

        using var buffer = new MemoryStream((int)Math.Min(request.ContentLength ?? 0, 64 * 1024));
        var chunk = new byte[16 * 1024];
        int read;
        while ((read = await request.Body.ReadAsync(chunk, cancellationToken)) > 0)
        {
            if (buffer.Length + read > TaskLimits.BlobBytes)
            {
                return null;
            }

            buffer.Write(chunk, 0, read);
        }

        return buffer.ToArray();
    }
}

/// <param name="Sha256">64 lower-case hex digits: its name.</param>
internal sealed record StoredBlob(string Sha256, int Bytes);
