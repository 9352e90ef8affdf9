using Microsoft.Extensions.Hosting;
using OpenTelemetry;
using OpenTelemetry.Logs;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Ties the telemetry providers to the life of the host.</summary>
public static class OpenTelemetryServicesExtensions
{
    /// <summary>May be called any number of times; the providers are built once, when the host starts.</summary>
    public static OpenTelemetryBuilder AddOpenTelemetry(this IServiceCollection services)
    {
        // First in the list, so that what the other hosted services do at start is already observed.
        if (services.All(static service => service.ImplementationType != typeof(ProvidersAtStart)))
        {
            services.Insert(0, ServiceDescriptor.Singleton<IHostedService, ProvidersAtStart>());
        }

        return new OpenTelemetryBuilder(services);
    }

    /// <summary>Builds whichever providers were asked for; the container disposes, and so flushes, them at the end.</summary>
    private sealed class ProvidersAtStart(IServiceProvider services) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken)
        {
            services.GetService<MeterProvider>();
            services.GetService<TracerProvider>();
            services.GetService<LoggerProvider>();
            return Task.CompletedTask;
        }

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
