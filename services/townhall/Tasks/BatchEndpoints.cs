using System.Diagnostics;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.RateLimiting;
using Townhall.Api.Idempotency;
using Townhall.ServiceDefaults.Authentication;
using Townhall.ServiceDefaults.Problems;

namespace Townhall.Api.Tasks;

internal static class BatchEndpoints
{
    private const string Lanes = "batches";

    /// <summary>Large bodies in memory at once; as many calls more may wait, holding none.</summary>
    private const int AtOnce = 4;

    private const int WaitingMost = 64;

    public static void AddBatches(this IHostApplicationBuilder builder)
    {
        builder.Services.AddSingleton<BatchAssignment>();
        builder.Services.AddRateLimiter(static limits =>
        {
            limits.AddConcurrencyLimiter(Lanes, static lanes =>
            {
                lanes.PermitLimit = AtOnce;
                lanes.QueueLimit = WaitingMost;
            });
            limits.OnRejected = static (rejected, _) => new(CommonRefusals.Overloaded.ExecuteAsync(rejected.HttpContext));
        });
    }

    public static void MapBatches(this IEndpointRouteBuilder routes) =>
        routes.MapPost("/v1/tasks/assign-batch", AssignBatch).RequireAuthorization(Scopes.TownWrite).WithTags("Tasks").TakesIdempotencyKey()
            .RequireRateLimiting(Lanes).WithMetadata(new RequestSizeLimitAttribute(NewBatch.BytesMost));

    internal static async Task<Results<Ok<BatchView>, KeyedAnswer, Refusal>> AssignBatch(
        NewBatch batch, IdempotencyKey? key, Caller caller, BatchAssignment assignment, CancellationToken cancellationToken)
    {
        if (batch.Fault() is { } fault)
        {
            return fault;
        }

        if (key is null)
        {
            return TypedResults.Ok(await assignment.AssignAsync(batch.Tasks!, caller, cancellationToken));
        }

        return await assignment.AssignAsync(batch.Tasks!, key, caller, cancellationToken) switch
        {
            KeyOutcome.Answered(var status, var response, var replayed) => new KeyedAnswer(status, response, null, replayed),
            KeyOutcome.Reused => Problems.KeyReused(),
            _ => throw new UnreachableException(),
        };
    }
}
