using System.Text;
using Townhall.ServiceDefaults.Authentication;
using Townhall.ServiceDefaults.Problems;
using Townhall.ServiceDefaults.Settings;
using Yarp.ReverseProxy.Configuration;
using Yarp.ReverseProxy.Forwarder;
using Yarp.ReverseProxy.Transforms;

namespace Townhall.Edge.Routing;

/// <summary>Passes requests on, and says in our words when nobody took them.</summary>
internal static class TownProxy
{
    private const int ConnectionsMost = 12_000;

    public static void AddTownProxy(this WebApplicationBuilder builder, TownSettings town, IReadOnlyList<ClusterConfig> clusters)
    {
        builder.Services.AddSingleton<Outages>();
        builder.Services.AddReverseProxy()
            .LoadFromMemory(TownRoutes.Routes, clusters)
            .AddTransforms(transforms =>
            {
                // By this the services know that it is the edge who says where a request came from.
                if (town.EdgeKey is { } key)
                {
                    transforms.AddRequestHeader(Sources.EdgeHeader, key, append: false);
                }

                // What is followed may say nothing for long: its beginning is an answer already, and would wait for the first byte.
                transforms.AddResponseTransform(static async response =>
                {
                    if (response.ProxyResponse is { IsSuccessStatusCode: true, Content.Headers: { ContentLength: null, ContentType.MediaType: "text/plain" } })
                    {
                        await response.HttpContext.Response.Body.FlushAsync(response.CancellationToken);
                    }
                });
            })
            .ConfigureHttpClient(static (_, handler) =>
            {
                // As many as callers may connect: each open stream holds one, and a queue in front of a pool is a hidden wait.
                handler.MaxConnectionsPerServer = ConnectionsMost;
                handler.ConnectTimeout = TimeSpan.FromSeconds(2);
                // Shorter than the services' own 60 s, so that a POST never meets a connection that is just being closed.
                handler.PooledConnectionIdleTimeout = TimeSpan.FromSeconds(30);
                handler.PooledConnectionLifetime = TimeSpan.FromMinutes(10);
                // As they were read: in ASCII alone, a header with an umlaut would end as an outage of the service behind.
                handler.RequestHeaderEncodingSelector = static (_, _) => Encoding.UTF8;
            });

        // Session affinity would want keys on disk; we have none, and a service that remembers nothing writes nothing.
        foreach (var keys in builder.Services.Where(static service => service.ImplementationType?.Name == "DataProtectionHostedService").ToArray())
        {
            builder.Services.Remove(keys);
        }

        // It would say the same about every refused request; Outages says it once.
        builder.Logging.AddFilter("Yarp", LogLevel.None);
    }

    public static void MapTownProxy(this WebApplication app)
    {
        var outages = app.Services.GetRequiredService<Outages>();

        // One destination each, so neither affinity nor load balancing nor health checks stand in the way.
        app.MapReverseProxy(pipeline => pipeline.Use(async (context, next) =>
        {
            await next(context);
            var service = context.GetRouteModel().Cluster!.ClusterId;
            if (context.GetForwarderErrorFeature() is not { } failure)
            {
                outages.Answered(service);
                return;
            }

            if (!context.Response.HasStarted && !context.RequestAborted.IsCancellationRequested)
            {
                var refusal = Answer(failure, service);
                if (refusal.Status == StatusCodes.Status503ServiceUnavailable)
                {
                    outages.Missed(service, failure.Error);
                }

                context.Response.Clear();
                await refusal.ExecuteAsync(context);
            }
        })).WithMetadata(new DecidedBehindAttribute());
    }

    private static Refusal Answer(IForwarderErrorFeature failure, string service) => failure switch
    {
        _ when Misread(failure.Exception) is { } bad => bad.StatusCode == StatusCodes.Status413PayloadTooLarge
            ? CommonRefusals.TooLarge
            : new Refusal(bad.StatusCode, "bad_request", "The request cannot be read."),
        { Error: ForwarderError.RequestTimedOut or ForwarderError.RequestBodyCanceled or ForwarderError.ResponseBodyCanceled } =>
            CommonRefusals.Deadline,
        { Exception: HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError } } =>
            new Refusal(503, "service_unavailable", $"The {service} service is not there right now; nothing was changed. Try again.") { RetryAfterSecs = 1 },
        { Error: ForwarderError.RequestBodyClient } => new Refusal(400, "bad_request", "The request's body ended early."),
        _ => new Refusal(
            503,
            "service_unavailable",
            $"The {service} service went away before it answered. Whether a change was made is not known: look before you repeat it.")
        { RetryAfterSecs = 1 },
    };

    /// <summary>What Kestrel found wrong with the request while it was passed on; the proxy wraps it, alone or beside its own failure.</summary>
    private static BadHttpRequestException? Misread(Exception? failure) => failure switch
    {
        null => null,
        BadHttpRequestException bad => bad,
        AggregateException all => all.InnerExceptions.Select(Misread).FirstOrDefault(static bad => bad is not null),
        _ => Misread(failure.InnerException),
    };
}
