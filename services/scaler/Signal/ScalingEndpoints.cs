using System.Globalization;
using System.Text.Json;
using Townhall.ServiceDefaults.Authentication;
using Townhall.ServiceDefaults.Problems;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Scaler.Signal;

internal static class ScalingEndpoints
{
    public static void AddScalingSignal(this IHostApplicationBuilder builder, SignalSettings settings)
    {
        builder.Services.AddSingleton(settings);
        builder.Services.AddSingleton<ScalingSignal>();
    }

    public static void MapScaling(this IEndpointRouteBuilder routes) => routes.MapGet("/api/scaling", GetScaling).PublicProbe()
        .WithTags("Scaling").Produces<ScalingView>().Produces(StatusCodes.Status304NotModified);

    internal static async Task<IResult> GetScaling(
        HttpContext context, ScalingSignal signal, TownSettings town, CancellationToken cancellationToken)
    {
        if (await signal.ReadAsync(cancellationToken) is not { } reading)
        {
            return CommonRefusals.Unavailable;
        }

        var headers = context.Response.Headers;
        headers.ETag = Tag(reading);
        headers.CacheControl = "no-cache";
        if (context.Request.Headers.IfNoneMatch.ToString() == headers.ETag)
        {
            return TypedResults.StatusCode(StatusCodes.Status304NotModified);
        }

        return TypedResults.Bytes(
            JsonSerializer.SerializeToUtf8Bytes(View(reading, town, signal.AgeOf(reading)), ScalingJson.Default.ScalingView),
            "application/json");
    }

    private static ScalingView View(ScalingReading reading, TownSettings town, TimeSpan age)
    {
        var (demand, agents, decision, workers, _) = reading;
        return new ScalingView(
            town.Name,
            demand.At.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture),
            decision.QueueDepth,
            decision.Pending,
            decision.InFlight,
            agents.Active,
            agents.Cold,
            decision.DesiredAgents,
            town.MaxAgents,
            decision.Recommendation,
            workers,
            new WorkersView(demand.Workers, demand.DrainingWorkers),
            demand.Startable + demand.Claimable,
            demand.OldestWaitingSecs is { } waiting ? Math.Round(waiting, 3) : null,
            (long)age.TotalMilliseconds,
            decision.Reasons);
    }

    /// <summary>Weak, over what a caller acts on: an equal tag means the same counts, though time has passed.</summary>
    private static string Tag(ScalingReading reading)
    {
        var (demand, agents, decision, workers, _) = reading;
        return string.Create(
            CultureInfo.InvariantCulture,
            $"W/\"{demand.Backlog}-{demand.Assigned}-{demand.Running}-{demand.Startable}-{demand.Claimable}-{agents.Active}-{agents.Cold}-{demand.Workers}-{demand.DrainingWorkers}-{demand.DrainingTasks}-{workers}-{decision.DesiredAgents}\"");
    }
}
