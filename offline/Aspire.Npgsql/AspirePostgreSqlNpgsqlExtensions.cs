using Aspire.Npgsql;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;
using Npgsql;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;

namespace Microsoft.Extensions.Hosting;

/// <summary>Registers Npgsql data sources by connection name, as the Aspire integration does.</summary>
public static class AspirePostgreSqlNpgsqlExtensions
{
    private const string Section = "Aspire:Npgsql";

    /// <summary>
    /// Registers the singleton <see cref="NpgsqlDataSource"/> for <paramref name="connectionName"/>. It is built when first
    /// asked for; a missing connection string is an <see cref="InvalidOperationException"/> then, not at start.
    /// </summary>
    public static void AddNpgsqlDataSource(
        this IHostApplicationBuilder builder,
        string connectionName,
        Action<NpgsqlSettings>? configureSettings = null,
        Action<NpgsqlDataSourceBuilder>? configureDataSourceBuilder = null)
    {
        var settings = Add(builder, connectionName, key: null, configureSettings);
        builder.Services.AddSingleton(services => Build(services, connectionName, settings, configureDataSourceBuilder));
        builder.Services.TryAddTransient(services => services.GetRequiredService<NpgsqlDataSource>().CreateConnection());
    }

    /// <summary>The same under the key <paramref name="name"/>, for a process with several data sources.</summary>
    public static void AddKeyedNpgsqlDataSource(
        this IHostApplicationBuilder builder,
        string name,
        Action<NpgsqlSettings>? configureSettings = null,
        Action<NpgsqlDataSourceBuilder>? configureDataSourceBuilder = null)
    {
        var settings = Add(builder, name, key: name, configureSettings);
        builder.Services.AddKeyedSingleton(name, (services, _) => Build(services, name, settings, configureDataSourceBuilder));
        builder.Services.TryAddKeyedTransient(name, (services, key) => services.GetRequiredKeyedService<NpgsqlDataSource>(key).CreateConnection());
    }

    private static NpgsqlSettings Add(IHostApplicationBuilder builder, string name, string? key, Action<NpgsqlSettings>? configure)
    {
        var settings = new NpgsqlSettings();
        builder.Configuration.GetSection(Section).Bind(settings);
        builder.Configuration.GetSection($"{Section}:{name}").Bind(settings);
        if (builder.Configuration.GetConnectionString(name) is { Length: > 0 } connectionString)
        {
            settings.ConnectionString = connectionString;
        }

        configure?.Invoke(settings);

        if (!settings.DisableHealthChecks)
        {
            builder.Services.AddHealthChecks().Add(new HealthCheckRegistration(
                key is null ? "PostgreSql" : $"PostgreSql_{key}",
                services => new DataSourceHealthCheck(key is null
                    ? services.GetRequiredService<NpgsqlDataSource>()
                    : services.GetRequiredKeyedService<NpgsqlDataSource>(key)),
                failureStatus: null,
                tags: null));
        }

        // Configuring, not building: a process without exporters pays nothing for either.
        if (!settings.DisableTracing)
        {
            builder.Services.ConfigureOpenTelemetryTracerProvider(static tracing => tracing.AddSource("Npgsql"));
        }

        if (!settings.DisableMetrics)
        {
            builder.Services.ConfigureOpenTelemetryMeterProvider(static metrics => metrics.AddMeter("Npgsql"));
        }

        return settings;
    }

    private static NpgsqlDataSource Build(
        IServiceProvider services, string name, NpgsqlSettings settings, Action<NpgsqlDataSourceBuilder>? configure)
    {
        if (string.IsNullOrEmpty(settings.ConnectionString))
        {
            throw new InvalidOperationException(
                $"There is no connection string for '{name}': set ConnectionStrings:{name} or {Section}:{name}:ConnectionString.");
        }

        var source = new NpgsqlDataSourceBuilder(settings.ConnectionString);
        source.UseLoggerFactory(services.GetService<ILoggerFactory>());
        configure?.Invoke(source);
        return source.Build();
    }

    /// <summary>Healthy when one round trip to the server succeeds.</summary>
    private sealed class DataSourceHealthCheck(NpgsqlDataSource database) : IHealthCheck
    {
        public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
        {
            try
            {
                await using var command = database.CreateCommand("SELECT 1");
                await command.ExecuteScalarAsync(cancellationToken);
                return HealthCheckResult.Healthy();
            }
            catch (Exception error) when (error is not OperationCanceledException)
            {
                return new HealthCheckResult(context.Registration.FailureStatus, exception: error);
            }
        }
    }
}
