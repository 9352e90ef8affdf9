using OpenTelemetry;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;
using Townhall.Contracts.Traces;

namespace Townhall.Worker.Logging;

/// <summary>Sends the spans of attempts over OTLP where <c>OTEL_EXPORTER_OTLP_ENDPOINT</c> says where to. Without it nothing of it is even loaded.</summary>
internal static class WorkerTraces
{
    /// <returns>What sends what is left when it is disposed; null when nothing is collected.</returns>
    public static IDisposable? Collect() =>
        string.IsNullOrWhiteSpace(Environment.GetEnvironmentVariable("OTEL_EXPORTER_OTLP_ENDPOINT")) ? null : Begin();

    // Apart, so that a worker without traces does not load the libraries.
    private static Provider Begin() => new(Sdk.CreateTracerProviderBuilder()
        .ConfigureResource(static resource => resource.AddService("agent-worker"))
        .AddSource(TaskTraces.Name)
        .AddOtlpExporter()
        .Build());

    private sealed class Provider(TracerProvider traces) : IDisposable
    {
        private const int FlushMostMs = 2000;

        public void Dispose()
        {
            traces.Shutdown(FlushMostMs);
            traces.Dispose();
        }
    }
}
