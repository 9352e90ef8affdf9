using System.Diagnostics;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Logging;

namespace Townhall.AppHost.Probe;

/// <summary>Says what it was given, and says goodbye when it is stopped in an orderly way.</summary>
internal static class ProbeService
{
    public static async Task<int> RunAsync()
    {
        var builder = WebApplication.CreateSlimBuilder([]);
        builder.Logging.ClearProviders();
        await using var app = builder.Build();
        app.MapGet("/internal/ready", static () => "ready");
        app.MapGet("/pid", static () => Environment.ProcessId);
        app.MapGet("/environment", static () => string.Join('\n', Environment.GetEnvironmentVariables().Keys.Cast<string>()
            .Select(static name => $"{name}={Environment.GetEnvironmentVariable(name)}")));
        app.MapGet("/workers", static () => Directory.GetFiles(ProbeWorker.Directory, "worker-*.running").Length);
        app.Lifetime.ApplicationStopped.Register(static () => Console.WriteLine("goodbye"));
        if (Environment.GetEnvironmentVariable("PROBE_WORKER") is not null)
        {
            // In a session of its own and not waited for, as the scaler starts workers.
            app.Lifetime.ApplicationStarted.Register(static () =>
                Process.Start(new ProcessStartInfo("setsid", [Environment.ProcessPath!, "worker"]) { RedirectStandardOutput = true })!.Dispose());
        }

        await app.RunAsync();
        return 0;
    }
}
