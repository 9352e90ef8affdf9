using System.Security.Cryptography;
using Microsoft.AspNetCore.Http.HttpResults;
using Townhall.Contracts.Tasks;
using Townhall.Contracts.Workers;
using Townhall.Dispatcher.Workers;
using Townhall.ServiceDefaults.Problems;
using Townhall.ServiceDefaults.Redis;

namespace Townhall.Dispatcher.Output;

internal static class OutputEndpoints
{
    private const int ChunksMost = 64;

    public static void AddOutput(this IHostApplicationBuilder builder) => builder.Services.AddSingleton<OutputStore>();

    public static void MapOutput(this IEndpointRouteBuilder routes)
    {
        routes.MapPost("/worker/output", Append).RequireAuthorization(WorkerAuthentication.LateSession);
        routes.MapPut("/worker/blobs/{sha256}", PutBlob).RequireAuthorization(WorkerAuthentication.LateSession);
    }

    internal static async Task<Results<Ok<OutputReply>, Refusal>> Append(
        HttpContext context, OutputRequest request, OutputStore output, Doorbell doorbell, CancellationToken cancellationToken)
    {
        if (request.Chunks is not { Length: >= 1 and <= ChunksMost }
            || request.Chunks.Any(static chunk => chunk.Lease is null || chunk.Bytes is not { Length: <= TaskLimits.BlobBytes }
                || chunk.Offset < 0 || chunk.Offset + chunk.Bytes.Length > TaskLimits.OutputBytes + TaskLimits.BlobBytes))
        {
            return Problems.Invalid($"chunks must hold 1 to {ChunksMost} entries of at most {TaskLimits.BlobBytes} bytes each.");
        }

        var worker = context.Worker().Id;
        var verdicts = new OutputVerdict[request.Chunks.Length];
        for (var i = 0; i < verdicts.Length; i++)
        {
            verdicts[i] = await output.AppendAsync(worker, request.Chunks[i], cancellationToken);
            doorbell.Ring(Doorbell.Output, verdicts[i].TaskId.ToString());
        }

        return TypedResults.Ok(new OutputReply(verdicts));
    }

    internal static async Task<Results<NoContent, Refusal>> PutBlob(
        HttpContext context, string sha256, OutputStore output, CancellationToken cancellationToken)
    {
        if (context.Request.ContentLength is not ({ } length and >= 0 and <= TaskLimits.BlobBytes))
        {
            return CommonRefusals.TooLarge;
        }

        var bytes = new byte[(int)length];
        await context.Request.Body.ReadExactlyAsync(bytes, cancellationToken);
        var hash = SHA256.HashData(bytes);
        if (!Convert.ToHexStringLower(hash).Equals(sha256, StringComparison.Ordinal))
        {
            return Problems.Invalid("The bytes do not have the SHA-256 in the path.");
        }

        await output.PutBlobAsync(hash, bytes, cancellationToken);
        return TypedResults.NoContent();
    }
}
