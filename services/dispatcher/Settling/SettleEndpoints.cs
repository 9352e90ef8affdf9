using System.Diagnostics;
using System.Text;
using Microsoft.AspNetCore.Http.HttpResults;
using Townhall.Contracts.Tasks;
using Townhall.Contracts.Traces;
using Townhall.Contracts.Workers;
using Townhall.Dispatcher.Workers;
using Townhall.ServiceDefaults.Problems;

namespace Townhall.Dispatcher.Settling;

internal static class SettleEndpoints
{
    private const int ResultsMost = 1024;

    public static void AddSettling(this IHostApplicationBuilder builder)
    {
        builder.Services.AddSingleton<ISettleStore, SettleStore>().AddSingleton<SettleBatcher>();
        builder.Services.AddHostedService(static services => services.GetRequiredService<SettleBatcher>());
    }

    public static void MapSettling(this IEndpointRouteBuilder routes) =>
        routes.MapPost("/worker/settle", Settle).RequireAuthorization(WorkerAuthentication.LateSession);

    internal static async Task<Results<Ok<SettleReply>, Refusal>> Settle(
        HttpContext context, SettleRequest request, SettleBatcher batcher, CancellationToken cancellationToken)
    {
        if (Fault(request.Results) is { } fault)
        {
            return Problems.Invalid(fault);
        }

        var worker = context.Worker().Id;
        var steps = TaskTraces.Collected
            ? Array.ConvertAll(request.Results, static one => TaskTraces.Begin("task.settle", ActivityKind.Consumer, one.Traceparent, one.Lease.TaskId, one.Lease.Epoch))
            : [];
        var settled = await batcher.SettleAsync(
            Array.ConvertAll(request.Results, result => new Ending(worker, result)), cancellationToken);
        var verdicts = new SettleVerdict[settled.Length];
        for (var i = 0; i < verdicts.Length; i++)
        {
            var lease = request.Results[i].Lease;
            verdicts[i] = new(lease.TaskId, lease.Epoch, settled[i].Verdict);
            if (steps.Length > 0)
            {
                steps[i].End(settled[i].Verdict);
            }
        }

        // A late result is a conflict, and so answered where it stands alone. Beside results that count, the verdicts say it.
        return Array.TrueForAll(verdicts, static one => one.Verdict == Verdicts.Stale)
            ? Problems.StaleResults(new(verdicts))
            : TypedResults.Ok(new SettleReply(verdicts));
    }

    private static string? Fault(AttemptResult[]? results)
    {
        if (results is not { Length: >= 1 and <= ResultsMost })
        {
            return $"results must hold 1 to {ResultsMost} entries.";
        }

        var tasks = new HashSet<Guid>(results.Length);
        foreach (var result in results)
        {
            if (result.Lease is null || !tasks.Add(result.Lease.TaskId))
            {
                return "each result names its lease, and no task twice.";
            }

            if (result.Outcome is not (AttemptOutcomes.Completed or AttemptOutcomes.Failed or AttemptOutcomes.Cancelled or AttemptOutcomes.Released))
            {
                return "outcome must be completed, failed, cancelled or released.";
            }

            if (!Storable(result.Result, TaskLimits.InlineResultBytes) || !Storable(result.FailureDetail, 8192)
                || !Storable(result.FailureCode, 64) || !Storable(result.Sandbox, 64) || !Storable(result.Traceparent, 64))
            {
                return $"texts must be free of NUL, result at most {TaskLimits.InlineResultBytes} bytes.";
            }

            if (result.ResultBlob is { } blob && (blob.Length != 64 || !blob.All(char.IsAsciiHexDigitLower)))
            {
                return "result_blob is a SHA-256 in 64 lower-case hex digits.";
            }
        }

        return null;
    }

    private static bool Storable(string? text, int bytesMost) =>
        text is null || (!text.Contains('\0', StringComparison.Ordinal) && Encoding.UTF8.GetByteCount(text) <= bytesMost);
}
