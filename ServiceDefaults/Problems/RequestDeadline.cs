using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.ServiceDefaults.Problems;

/// <summary>Endpoints that wait or stream by design; they bound themselves.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class LongRunningAttribute : Attribute;

/// <summary>Ends every other request's work after its deadline, whatever it waits for.</summary>
public static class RequestDeadline
{
    private static readonly object Key = new();

    /// <summary>Put behind routing.</summary>
    public static void UseRequestDeadline(this IApplicationBuilder app)
    {
        // 5 s unless told otherwise: beyond three stages of a database time-out nobody waits any more (docs/decisions/deadlines.md).
        var longest = app.ApplicationServices.GetRequiredService<TownSettings>().RequestTimeout;
        app.Use((context, next) => BoundAsync(context, next, longest));
    }

    private static async Task BoundAsync(HttpContext context, RequestDelegate next, TimeSpan longest)
    {
        if (context.GetEndpoint()?.Metadata.GetMetadata<LongRunningAttribute>() is not null)
        {
            await next(context);
            return;
        }

        var gone = context.RequestAborted;
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(gone);
        deadline.CancelAfter(longest);
        context.RequestAborted = deadline.Token;
        try
        {
            await next(context);
            if (deadline.IsCancellationRequested && !gone.IsCancellationRequested && IsEmpty(context.Response))
            {
                // Who waits in line, as a rate limiter does, gives up without a word: that would be a success with nothing in it.
                throw new OperationCanceledException(deadline.Token);
            }
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested && !gone.IsCancellationRequested)
        {
            context.Items[Key] = true;
            throw;
        }
        finally
        {
            context.RequestAborted = gone;
        }
    }

    /// <summary>Marks an endpoint as waiting or streaming by design.</summary>
    public static TBuilder LongRunning<TBuilder>(this TBuilder builder)
        where TBuilder : IEndpointConventionBuilder => builder.WithMetadata(new LongRunningAttribute());

    private static bool IsEmpty(HttpResponse response) =>
        response is { HasStarted: false, StatusCode: StatusCodes.Status200OK, ContentType: null, ContentLength: null };

    internal static bool Expired(HttpContext context) => context.Items.ContainsKey(Key);
}
