using Microsoft.AspNetCore.Http.HttpResults;
using Townhall.Contracts.Ids;
using Townhall.Contracts.Tasks;
using Townhall.Contracts.Workers;
using Townhall.Dispatcher.Duties;
using Townhall.ServiceDefaults.Authentication;
using Townhall.ServiceDefaults.Problems;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Dispatcher.Workers;

internal static class WorkerEndpoints
{
    public static void AddWorkers(this WebApplicationBuilder builder, TownSettings town)
    {
        builder.Services.AddSingleton<WorkerStore>().AddSingleton<WorkerTokens>();
        builder.AddWorkerAuthentication(town);
    }

    public static void MapWorkers(this IEndpointRouteBuilder routes)
    {
        routes.MapPost("/worker/register", Register).RequireAuthorization(Scopes.Worker);
        routes.MapPost("/worker/drain", Drain).RequireAuthorization(WorkerAuthentication.Session);
    }

    internal static async Task<Results<Ok<RegisterReply>, Refusal>> Register(
        RegisterRequest worker, WorkerStore workers, TownSettings town, SequencerBell sequencer,
        CancellationToken cancellationToken)
    {
        if (Fault(worker) is { } fault)
        {
            return Problems.Invalid(fault);
        }

        var (token, hash) = WorkerTokens.Make(new WorkerId(worker.Incarnation));
        if (!await workers.RegisterAsync(worker, hash, cancellationToken))
        {
            return Problems.WorkerIdTaken;
        }

        sequencer.Ring();
        return TypedResults.Ok(new RegisterReply(
            worker.Incarnation, token, town.Name, town.IdleTimeout.TotalSeconds, TaskLimits.OutputBytes, TaskLimits.InlineResultBytes));
    }

    internal static async Task<Results<Ok<DrainReply>, Refusal>> Drain(
        HttpContext context, DrainRequest request, WorkerStore workers, SequencerBell sequencer, CancellationToken cancellationToken)
    {
        if (request.Reason is not ("idle" or "stopping"))
        {
            return Problems.Invalid("reason must be idle or stopping.");
        }

        var reply = await workers.DrainAsync(context.Worker(), request.Reason == "stopping", cancellationToken);
        sequencer.Ring();
        return TypedResults.Ok(reply);
    }

    private static string? Fault(RegisterRequest worker) =>
        worker.Incarnation == Guid.Empty ? "incarnation must be a new UUID."
        : worker.Slots is < 1 or > 1024 ? "slots must be 1 to 1024."
        : worker.Runtimes is not { Length: >= 1 and <= 16 } || worker.Runtimes.Any(static runtime => !Word(runtime)) ? "runtimes must hold 1 to 16 words."
        : !Word(worker.Name) || !Word(worker.Host) || !Word(worker.Version) || !Word(worker.Sandbox)
            ? "name, host, version and sandbox must be printable and at most 200 characters."
        : null;

    private static bool Word(string? text) => text is { Length: >= 1 and <= 200 } && !text.Any(static one => char.IsControl(one) || char.IsSurrogate(one));
}
