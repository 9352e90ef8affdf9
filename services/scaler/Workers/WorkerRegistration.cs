using Townhall.Scaler.Demand;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Scaler.Workers;

internal static class WorkerRegistration
{
    /// <summary>Adds who starts workers; without a command this service only tells what it would do.</summary>
    public static void AddWorkers(this IHostApplicationBuilder builder, TownSettings town, WorkerCommand? command)
    {
        if (command is null)
        {
            return;
        }

        builder.Services.AddSingleton<WorkerRows>();
        builder.Services.AddSingleton<IWorkerActuator>(services => new ProcessActuator(
            command,
            services.GetRequiredService<WorkerRows>(),
            services.GetRequiredService<WorkBell>(),
            town.MaxWorkers,
            services.GetRequiredService<TimeProvider>(),
            services.GetRequiredService<ILogger<ProcessActuator>>()));
        builder.Services.AddHostedService<ScaleLoop>();
    }
}
