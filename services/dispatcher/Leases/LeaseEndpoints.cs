using Microsoft.AspNetCore.Http.HttpResults;
using Townhall.Contracts.Workers;
using Townhall.Dispatcher.Checkpoints;
using Townhall.Dispatcher.Queues;
using Townhall.Dispatcher.Traces;
using Townhall.Dispatcher.Workers;
using Townhall.ServiceDefaults.Problems;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Dispatcher.Leases;

internal static class LeaseEndpoints
{
    private const int BatchMost = 1024;

    public static void AddLeases(this IHostApplicationBuilder builder)
    {
        builder.Services.AddSingleton<LeaseTraces>().AddSingleton<LeaseStore>().AddSingleton<IClaimStore>(static services => services.GetRequiredService<LeaseStore>())
            .AddSingleton<ReadyAgents>().AddSingleton<LeasePump>()
            .AddSingleton<PostgresQueue>().AddSingleton<WorkStream>().AddSingleton<StreamsQueue>()
            .AddSingleton<IWorkQueue>(static services => new GuardedQueue(
                services.GetRequiredService<TownSettings>().UseStreams
                    ? services.GetRequiredService<StreamsQueue>() : services.GetRequiredService<PostgresQueue>(),
                services.GetRequiredService<ILedgerGuard>()));
        builder.Services.AddHostedService(static services => services.GetRequiredService<LeasePump>());
    }

    public static void MapLeases(this WebApplication app)
    {
        // Before the host starts: it must hear the doorbell from the beginning.
        app.Services.GetRequiredService<LeasePump>().Listen();
        var worker = app.MapGroup("/worker").RequireAuthorization(WorkerAuthentication.Session);
        worker.MapPost("/lease", Lease).LongRunning();
        worker.MapPost("/renew", Renew);
    }

    internal static async Task<Results<Ok<LeaseReply>, Refusal>> Lease(
        HttpContext context, LeaseRequest request, LeasePump pump, LeaseTraces traces, TownSettings town, IHostApplicationLifetime host,
        CancellationToken cancellationToken)
    {
        if (request.Max is < 1 or > BatchMost || request.WaitMs < 0 || request.RequestId == Guid.Empty)
        {
            return Problems.Invalid($"max must be 1 to {BatchMost}, wait_ms at least 0, request_id a UUID.");
        }

        if (host.ApplicationStopping.IsCancellationRequested)
        {
            return Problems.Stopping;
        }

        var leases = await pump.WaitAsync(
            context.Worker(), request.RequestId, request.Max, Bounded(request.WaitMs, town), cancellationToken);
        return TypedResults.Ok(new LeaseReply(await traces.JoinAsync(leases, cancellationToken), Draining: false));
    }

    internal static async Task<Results<Ok<RenewReply>, Refusal>> Renew(
        HttpContext context, RenewRequest request, LeaseStore leases, CancellationToken cancellationToken) =>
        request.Leases is not { Length: <= BatchMost }
            ? Problems.Invalid($"leases must hold at most {BatchMost} entries.")
            : TypedResults.Ok(new RenewReply(
                request.Leases.Length == 0 ? [] : await leases.RenewAsync(context.Worker().Id, request.Leases, cancellationToken)));

    /// <summary>A third of a lease at most: an open call is also how a worker shows that it lives.</summary>
    internal static TimeSpan Bounded(int waitMs, TownSettings town) => TimeSpan.FromMilliseconds(
        Math.Min(waitMs, Math.Min(10_000, town.LeaseOf("").TotalMilliseconds / 3)));
}
