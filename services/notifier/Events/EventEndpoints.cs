using Microsoft.AspNetCore.Http.Features;
using Townhall.Notifier.Tail;
using Townhall.ServiceDefaults.Authentication;
using Townhall.ServiceDefaults.Problems;

namespace Townhall.Notifier.Events;

/// <summary><c>GET /events</c>: the ledger as server-sent events (docs/events.md).</summary>
internal static partial class EventEndpoints
{
    private const int ListenersMost = 11_000;

    public static void AddEvents(this IHostApplicationBuilder builder) => builder.Services.AddSingleton<EventPages>();

    public static void MapEvents(this IEndpointRouteBuilder routes) => routes.MapGet("/events", Follow)
        .RequireAuthorization(Scopes.TownRead).LongRunning()
        .WithTags("Events").Produces<string>(contentType: "text/event-stream");

    internal static async Task<IResult> Follow(
        HttpContext context, EventRing ring, EventPages pages, LedgerTail tail, IHostApplicationLifetime host, TimeProvider clock,
        ILogger<EventStream> logger)
    {
        var (request, refusal) = EventRequest.From(context.Request.Headers, context.Request.Query);
        if (request is null)
        {
            return refusal!;
        }

        if (tail.Listeners >= ListenersMost)
        {
            return CommonRefusals.Overloaded;
        }

        tail.Come();
        try
        {
            var response = context.Response;
            response.ContentType = "text/event-stream";
            response.Headers.CacheControl = "no-cache, no-transform";
            response.Headers["X-Accel-Buffering"] = "no";
            context.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
            var gone = context.RequestAborted;
            var stream = new EventStream(request, ring, pages, response.Body, clock, host.ApplicationStopping);

            // Before the first byte: who has seen the headers is told everything that happens from now on.
            await stream.FindStartAsync(gone);
            if (await stream.RunAsync(gone) == StreamEnd.TooSlow)
            {
                LogSlow(logger, context.Connection.Id, EventStream.WriteMost);
                context.Abort();
            }
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // It left before the first byte.
        }
        finally
        {
            tail.Go();
        }

        return Results.Empty;
    }

    [LoggerMessage(LogLevel.Warning, "Listener {Connection} did not read for {Bound} and is disconnected; it may come back with Last-Event-ID")]
    private static partial void LogSlow(ILogger logger, string connection, TimeSpan bound);
}
