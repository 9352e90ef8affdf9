using Townhall.Scaler.Demand;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Scaler.Workers;

internal static class WorkerRegistration
{
    /// <summary>Adds the actuator that <c>TOWN_ACTUATOR</c> names; without one this service only tells what it would do.</summary>
    /// <exception cref="SettingsException">The name is unknown, or the actuator lacks something.</exception>
    public static void AddWorkers(this IHostApplicationBuilder builder, TownSettings town)
    {
        var command = builder.Configuration["TOWN_WORKER_COMMAND"];
        var actuator = builder.Configuration["TOWN_ACTUATOR"] is { Length: > 0 } named ? named : string.IsNullOrEmpty(command) ? "none" : "process";
        switch (actuator)
        {
            case "none":
                break;
            case "process":
                var worker = WorkerCommand.From(builder.Configuration, town);
                builder.Services.AddSingleton<WorkerRows>();
                builder.Services.AddSingleton<IWorkerActuator>(services => new ProcessActuator(
                    worker,
                    services.GetRequiredService<WorkerRows>(),
                    services.GetRequiredService<WorkBell>(),
                    town.MaxWorkers,
                    services.GetRequiredService<TimeProvider>(),
                    services.GetRequiredService<ILogger<ProcessActuator>>()));
                builder.Services.AddHostedService<ScaleLoop>();
                break;
            default:
                throw new SettingsException([$"TOWN_ACTUATOR must be none or process, not '{actuator}'."]);
        }
    }
}
