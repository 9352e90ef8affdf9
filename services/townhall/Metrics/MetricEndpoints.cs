using System.Text;
using Townhall.ServiceDefaults.Authentication;

namespace Townhall.Api.Metrics;

internal static class MetricEndpoints
{
    public static void AddMetricPage(this IHostApplicationBuilder builder)
    {
        builder.Services.AddSingleton<MetricStore>().AddSingleton<MetricSnapshot>().AddSingleton<RequestCounts>();
        builder.Services.AddHostedService(static services => services.GetRequiredService<MetricSnapshot>());
        if (builder.SendsTelemetry())
        {
            builder.Services.AddHostedService<MetricExport>();
        }
    }

    public static void MapMetricPage(this IEndpointRouteBuilder routes) =>
        routes.MapGet("/metrics", GetMetrics).PublicProbe().WithTags("Probes").Produces<string>(contentType: "text/plain").Produces<string>(503, "text/plain");

    /// <summary>Put in front of everything that answers.</summary>
    public static void UseRequestCounts(this WebApplication app)
    {
        var counts = app.Services.GetRequiredService<RequestCounts>();
        app.Use(async (context, next) =>
        {
            try
            {
                await next(context);
            }
            finally
            {
                counts.Add((context.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText, context.Request.Method, context.Response.StatusCode);
            }
        });
    }

    /// <summary>Prometheus' text format. 503 with <c>tinytown_ready 0</c> when the database does not say: an outage is not zero.</summary>
    internal static async Task<IResult> GetMetrics(
        HttpContext context, MetricSnapshot snapshot, RequestCounts requests, TimeProvider clock, CancellationToken cancellationToken)
    {
        context.Response.Headers.CacheControl = "no-store";
        var reading = await snapshot.ReadAsync(cancellationToken);
        return reading is null
            ? TypedResults.Text(MetricText.Unknown(), MetricText.ContentType, Encoding.UTF8, StatusCodes.Status503ServiceUnavailable)
            : TypedResults.Text(MetricText.Of(reading, requests, clock.GetElapsedTime(reading.ReadAt)), MetricText.ContentType, Encoding.UTF8);
    }
}
