using Microsoft.AspNetCore.Http.HttpResults;
using Townhall.Contracts.Workers;
using Townhall.Dispatcher.Leases;
using Townhall.Dispatcher.Workers;
using Townhall.ServiceDefaults.Problems;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Dispatcher.Control;

internal static class ControlEndpoints
{
    private const int BatchMost = 1024;

    public static void AddControl(this IHostApplicationBuilder builder) =>
        builder.Services.AddSingleton<ControlStore>().AddSingleton<ControlBell>();

    public static void MapControl(this WebApplication app)
    {
        // Before the host starts: it must hear the doorbell from the beginning.
        app.Services.GetRequiredService<ControlBell>();
        app.MapGroup("/worker").RequireAuthorization(WorkerAuthentication.Session).MapPost("/directives", Directives).LongRunning();
    }

    internal static async Task<Results<Ok<DirectivesReply>, Refusal>> Directives(
        HttpContext context, DirectivesRequest request, ControlStore control, ControlBell bell, TownSettings town, TimeProvider clock,
        CancellationToken cancellationToken)
    {
        if (request.Paused is { Length: > BatchMost } || request.Steered is { Length: > BatchMost })
        {
            return Problems.Invalid($"paused and steered must hold at most {BatchMost} entries each.");
        }

        var worker = context.Worker().Id;
        if (request.Steered is { Length: > 0 } taken)
        {
            await control.TakenAsync(worker, taken, cancellationToken);
        }

        var paused = request.Paused ?? [];
        var ring = bell.NextRing();
        var directives = await control.DirectivesAsync(worker, paused, cancellationToken);
        if (directives.Length == 0)
        {
            try
            {
                await ring.WaitAsync(LeaseEndpoints.Bounded(Math.Max(0, request.WaitMs), town), clock, cancellationToken);
                directives = await control.DirectivesAsync(worker, paused, cancellationToken);
            }
            catch (TimeoutException)
            {
                // Nothing to do: the worker asks again.
            }
        }

        return TypedResults.Ok(new DirectivesReply(directives));
    }
}
