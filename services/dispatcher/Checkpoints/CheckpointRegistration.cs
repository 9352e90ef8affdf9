using Npgsql;
using Townhall.Ledger.Checkpoints;
using Townhall.ServiceDefaults.Health;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Dispatcher.Checkpoints;

/// <summary>The ledger's guard and the duty that signs.</summary>
internal static class CheckpointRegistration
{
    /// <exception cref="SettingsException">A setting is wrong, or the key file cannot be used.</exception>
    public static void AddCheckpoints(this WebApplicationBuilder builder)
    {
        // Read here and not when it is first asked for: a wrong setting must end the start.
        var settings = CheckpointSettings.From(builder.Configuration, TownSettings.From(builder.Configuration).Name);
        builder.Services.AddSingleton(_ => settings)
            .AddSingleton(static services => new CheckpointTable(services.GetRequiredKeyedService<NpgsqlDataSource>("town-sequencer")))
            .AddSingleton<LedgerGuard>()
            .AddSingleton<ILedgerGuard>(static services => services.GetRequiredService<LedgerGuard>())
            .AddSingleton<IStanding>(static services => services.GetRequiredService<LedgerGuard>());
        builder.Services.AddHostedService(static services => services.GetRequiredService<LedgerGuard>());
        builder.Services.AddHostedService<CheckpointDuty>();
    }
}
