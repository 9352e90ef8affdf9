using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Townhall.ServiceDefaults.Problems;

namespace Townhall.ServiceDefaults.Authentication;

/// <summary>Calls that stay open end with the credential that opened them, at most 5 s after it was revoked.</summary>
internal static class OpenCalls
{
    /// <summary>A credential that lives longer than this opens its streams anew once a day.</summary>
    private static readonly TimeSpan OpenMost = TimeSpan.FromDays(1);

    /// <summary>Put behind authorization. Handlers see the end as if their caller had left.</summary>
    public static void UseEndOfOpenCalls(this IApplicationBuilder app)
    {
        var clock = app.ApplicationServices.GetRequiredService<TimeProvider>();
        app.Use((context, next) =>
            context.User is Caller caller && (caller.KeepWatch is not null || caller.EndsAt is not null)
            && context.GetEndpoint()?.Metadata.GetMetadata<LongRunningAttribute>() is not null
                ? UntilEndedAsync(context, caller, clock, next)
                : next(context));
    }

    private static async Task UntilEndedAsync(HttpContext context, Caller caller, TimeProvider clock, RequestDelegate next)
    {
        var gone = context.RequestAborted;
        using var watch = caller.KeepWatch?.Invoke();
        using var late = new CancellationTokenSource(Left(caller, clock), clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(gone, caller.Ended, late.Token);
        context.RequestAborted = either.Token;
        try
        {
            await next(context);
        }
        catch (OperationCanceledException) when (either.IsCancellationRequested && !gone.IsCancellationRequested)
        {
            if (!context.Response.HasStarted)
            {
                context.RequestAborted = gone;
                await AuthRefusals.NotTaken.ExecuteAsync(context);
            }
        }
        finally
        {
            context.RequestAborted = gone;
        }
    }

    private static TimeSpan Left(Caller caller, TimeProvider clock)
    {
        if (caller.EndsAt is not { } end)
        {
            return OpenMost;
        }

        var left = end - clock.GetUtcNow();
        return left < TimeSpan.Zero ? TimeSpan.Zero : left < OpenMost ? left : OpenMost;
    }
}
