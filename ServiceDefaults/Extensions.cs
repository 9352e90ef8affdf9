using System.Reflection;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Npgsql;
using OpenTelemetry;
using OpenTelemetry.Resources;
using Townhall.Contracts.Traces;
using Townhall.ServiceDefaults.Authentication;
using Townhall.ServiceDefaults.Health;
using Townhall.ServiceDefaults.Problems;
using Townhall.ServiceDefaults.Redis;
using Townhall.ServiceDefaults.Settings;

namespace Microsoft.Extensions.Hosting;

/// <summary>What every service of a town does alike.</summary>
public static class Extensions
{
    /// <summary>Settings, telemetry, limits and the way out.</summary>
    /// <param name="more">Reads the service's own settings, so that all mistakes are said at once.</param>
    /// <exception cref="SettingsException">The settings are wrong.</exception>
    public static TownSettings AddServiceDefaults(
        this WebApplicationBuilder builder, Action<IConfiguration, TownSettings, List<string>>? more = null)
    {
        var town = builder.AddTownSettings(more);
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.ConfigureOpenTelemetry();
        // Thrown, what is wrong with a body can be said; by itself the framework answers 400 without a word.
        builder.Services.Configure<RouteHandlerOptions>(static routes => routes.ThrowOnBadRequest = true);
        builder.Services.Configure<HostOptions>(static host => host.ShutdownTimeout = TimeSpan.FromSeconds(10));
        builder.WebHost.ConfigureKestrel(static kestrel =>
        {
            kestrel.AddServerHeader = false;
            var limits = kestrel.Limits;
            limits.MaxRequestBodySize = 1024 * 1024;
            limits.MaxRequestHeadersTotalSize = 16 * 1024;
            limits.MaxRequestHeaderCount = 64;
            limits.RequestHeadersTimeout = TimeSpan.FromSeconds(10);
            limits.KeepAliveTimeout = TimeSpan.FromSeconds(60);
            limits.MaxConcurrentConnections = 12_000;
            limits.Http2.MaxStreamsPerConnection = 256;
        });
        builder.Logging.AddFilter("Microsoft.AspNetCore", LogLevel.Warning);
        builder.Logging.AddFilter("Npgsql", LogLevel.Warning);
        builder.Logging.AddFilter("System.Net.Http", LogLevel.Warning);
        return town;
    }

    /// <summary>The town's database as role <c>town_app</c>, with deadlines and a bounded pool.</summary>
    public static void AddTownDatabase(this WebApplicationBuilder builder, int connectionsMost)
    {
        builder.AddNpgsqlDataSource("town", configureDataSourceBuilder: source => Bound(source, connectionsMost));
        builder.Services.AddSingleton<DatabaseReadiness>()
            .AddSingleton(static services => new FootingSource("ConnectionStrings__town", services.GetRequiredService<NpgsqlDataSource>()))
            .AddSingleton<Footing>();
        builder.Services.AddHostedService(static services => services.GetRequiredService<Footing>());
    }

    /// <summary>Bounds that every connection of ours has: 3 s to connect, 3 s a command, so that an outage is an answer and not a wait.</summary>
    public static void Bound(NpgsqlDataSourceBuilder source, int connectionsMost)
    {
        var settings = source.ConnectionStringBuilder;
        settings.MaxPoolSize = connectionsMost;
        settings.Timeout = 3;
        settings.CommandTimeout = 3;
        settings.KeepAlive = 15;
        settings.ConnectionLifetime = 600;
        settings.MaxAutoPrepare = 64;
        settings.AutoPrepareMinUsages = 2;
        // Our statements leave nothing behind in a session; resetting it would be a statement more at every use.
        settings.NoResetOnClose = true;
        settings.ApplicationName = Assembly.GetEntryAssembly()?.GetName().Name;
    }

    /// <summary>Redis behind its one door, and the doorbell on it.</summary>
    public static void AddTownRedis(this WebApplicationBuilder builder)
    {
        builder.AddRedisClient("redis", configureOptions: static options =>
        {
            options.AbortOnConnectFail = false;
            options.ConnectTimeout = 1000;
            options.SyncTimeout = 1000;
        });
        builder.Services.AddSingleton<RedisDoor>();
        builder.Services.AddHostedService(static services => services.GetRequiredService<RedisDoor>());
        builder.Services.AddSingleton<Doorbell>();
        builder.Services.AddHostedService(static services => services.GetRequiredService<Doorbell>());
    }

    /// <summary><c>/internal/live</c> and <c>/internal/ready</c> for platform probes, <c>/internal/routes</c> for whoever asks who may do what; the edge does not route them.</summary>
    public static void MapDefaultEndpoints(this WebApplication app)
    {
        app.MapGet("/internal/routes", static (EndpointDataSource routes) => TypedResults.Text(RoutePolicies.Describe(routes))).AllowAnonymous();
        app.MapGet("/internal/live", static () => TypedResults.Text("live")).AllowAnonymous();
        app.MapGet("/internal/ready", static async (HttpContext context, CancellationToken cancellationToken) =>
            context.RequestServices.GetService<DatabaseReadiness>() is { } database && !await database.IsReadyAsync(cancellationToken)
                ? CommonRefusals.Unavailable
                : context.RequestServices.GetServices<IStanding>().Select(static one => one.Refusal).FirstOrDefault(static one => one is not null)
                    ?? (IResult)TypedResults.Text("ready")).AllowAnonymous();
    }

    /// <summary>For a tool that wants to know what a service offers: it gets the service built, and nothing is started.</summary>
    public static Action<WebApplication>? Inspect { get; set; }

    /// <summary>Runs a service whose settings may be wrong: then every mistake is said and the exit code is 78.</summary>
    public static async Task<int> RunServiceAsync(string name, Func<WebApplication> build)
    {
        try
        {
            await using var app = build();
            RoutePolicies.Check(app);
            if (Inspect is { } inspect)
            {
                inspect(app);
                return 0;
            }

            foreach (var warning in Listeners.Warnings(app.Services.GetRequiredService<TownSettings>(), app.Services.GetService<ServesTls>() is not null))
            {
                await Console.Error.WriteLineAsync($"{name}: {warning}");
            }

            // Asked for before the run: the host takes its services with it.
            var footing = app.Services.GetService<Footing>();
            try
            {
                await app.RunAsync();
            }
            catch (OperationCanceledException) when (footing is { Mistakes.Count: > 0 })
            {
                // Told to end before all of it had started: what is wrong is said below.
            }

            return footing is { Mistakes.Count: > 0 } ? throw new SettingsException(footing.Mistakes) : 0;
        }
        catch (SettingsException wrong)
        {
            foreach (var mistake in wrong.Mistakes)
            {
                await Console.Error.WriteLineAsync($"{name}: {mistake}");
            }

            return SettingsException.ExitCode;
        }
    }

    /// <summary>Whether a collector was named by <c>OTEL_EXPORTER_OTLP_ENDPOINT</c>.</summary>
    public static bool SendsTelemetry(this IHostApplicationBuilder builder) => !string.IsNullOrWhiteSpace(builder.Configuration["OTEL_EXPORTER_OTLP_ENDPOINT"]);

    /// <summary>Traces and metrics, sent over OTLP when a collector was named; without one nothing is collected.</summary>
    private static void ConfigureOpenTelemetry(this WebApplicationBuilder builder)
    {
        if (!builder.SendsTelemetry())
        {
            return;
        }

        builder.Logging.AddOpenTelemetry(static logging =>
        {
            logging.IncludeFormattedMessage = true;
            logging.IncludeScopes = true;
        });
        var name = builder.Configuration["OTEL_SERVICE_NAME"] is { Length: > 0 } told ? told : builder.Environment.ApplicationName;
        builder.Services.AddOpenTelemetry()
            .ConfigureResource(resource => resource.AddService(name))
            .WithMetrics(static metrics => metrics
                .AddMeter("Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "System.Net.Http", "System.Runtime", "Npgsql", "Townhall"))
            .WithTracing(tracing => tracing
                .AddSource(builder.Environment.ApplicationName, "Microsoft.AspNetCore", "System.Net.Http", "Npgsql", TaskTraces.Name))
            .UseOtlpExporter();
    }
}
