using Aspire.StackExchange.Redis;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using OpenTelemetry.Trace;
using StackExchange.Redis;

namespace Microsoft.Extensions.Hosting;

/// <summary>Registers Redis clients by connection name, as the Aspire integration does.</summary>
public static class AspireRedisExtensions
{
    private const string Section = "Aspire:StackExchange:Redis";

    /// <summary>
    /// Registers the singleton <see cref="IConnectionMultiplexer"/> for <paramref name="connectionName"/>. It connects when
    /// first asked for, and does not fail when the server is away unless the connection string says <c>abortConnect</c>;
    /// without an endpoint asking for it is an <see cref="InvalidOperationException"/>.
    /// </summary>
    public static void AddRedisClient(
        this IHostApplicationBuilder builder,
        string connectionName,
        Action<StackExchangeRedisSettings>? configureSettings = null,
        Action<ConfigurationOptions>? configureOptions = null)
    {
        var connection = Add(builder, connectionName, key: null, configureSettings, configureOptions);
        builder.Services.AddSingleton(_ => connection());
    }

    /// <summary>The same under the key <paramref name="name"/>, for a process with several clients.</summary>
    public static void AddKeyedRedisClient(
        this IHostApplicationBuilder builder,
        string name,
        Action<StackExchangeRedisSettings>? configureSettings = null,
        Action<ConfigurationOptions>? configureOptions = null)
    {
        var connection = Add(builder, name, key: name, configureSettings, configureOptions);
        builder.Services.AddKeyedSingleton(name, (_, _) => connection());
    }

    private static Func<IConnectionMultiplexer> Add(
        IHostApplicationBuilder builder,
        string name,
        string? key,
        Action<StackExchangeRedisSettings>? configureSettings,
        Action<ConfigurationOptions>? configureOptions)
    {
        var settings = new StackExchangeRedisSettings();
        var shared = builder.Configuration.GetSection(Section);
        var named = builder.Configuration.GetSection($"{Section}:{name}");
        shared.Bind(settings);
        named.Bind(settings);
        if (builder.Configuration.GetConnectionString(name) is { Length: > 0 } connectionString)
        {
            settings.ConnectionString = connectionString;
        }

        configureSettings?.Invoke(settings);

        var check = key is null ? "StackExchange.Redis" : $"StackExchange.Redis_{key}";
        if (!settings.DisableHealthChecks)
        {
            // Two clients without a key share one check, like the real integration: the name is taken once.
            builder.Services.Configure<HealthCheckServiceOptions>(options =>
            {
                if (options.Registrations.All(registration => registration.Name != check))
                {
                    options.Registrations.Add(new(check, services => new PingHealthCheck(services, key), failureStatus: null, tags: null));
                }
            });
            builder.Services.AddHealthChecks();
        }

        if (!settings.DisableTracing)
        {
            builder.Services.ConfigureOpenTelemetryTracerProvider(
                static tracing => tracing.AddSource("OpenTelemetry.Instrumentation.StackExchangeRedis"));
        }

        return () =>
        {
            var options = Options(name, settings.ConnectionString);
            shared.GetSection("ConfigurationOptions").Bind(options);
            named.GetSection("ConfigurationOptions").Bind(options);
            configureOptions?.Invoke(options);
            return options.EndPoints.Count > 0
                ? ConnectionMultiplexer.Connect(options)
                : throw new InvalidOperationException(
                    $"There is no endpoint for Redis client '{name}': set ConnectionStrings:{name} or {Section}:{name}:ConnectionString.");
        };
    }

    private static ConfigurationOptions Options(string name, string? connectionString)
    {
        if (string.IsNullOrEmpty(connectionString))
        {
            throw new InvalidOperationException(
                $"There is no connection string for Redis client '{name}': set ConnectionStrings:{name} or {Section}:{name}:ConnectionString.");
        }

        var options = ConfigurationOptions.Parse(connectionString);
        if (!connectionString.Contains("abortConnect=", StringComparison.OrdinalIgnoreCase))
        {
            options.AbortOnConnectFail = false;
        }

        return options;
    }

    /// <summary>Healthy when the server answers a ping.</summary>
    private sealed class PingHealthCheck(IServiceProvider services, string? key) : IHealthCheck
    {
        public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
        {
            try
            {
                // The first resolve connects and blocks; and this client's calls have no deadline of their own.
                var redis = await Task.Run(
                    () => key is null
                        ? services.GetRequiredService<IConnectionMultiplexer>()
                        : services.GetRequiredKeyedService<IConnectionMultiplexer>(key),
                    cancellationToken).WaitAsync(cancellationToken);
                await redis.GetDatabase().PingAsync().WaitAsync(TimeSpan.FromSeconds(2), cancellationToken);
                return HealthCheckResult.Healthy();
            }
            catch (Exception error) when (error is not OperationCanceledException)
            {
                return new HealthCheckResult(context.Registration.FailureStatus, exception: error);
            }
        }
    }
}
