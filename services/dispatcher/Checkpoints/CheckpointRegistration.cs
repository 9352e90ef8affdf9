using Npgsql;
using Townhall.Ledger.Checkpoints;
using Townhall.ServiceDefaults.Health;

namespace Townhall.Dispatcher.Checkpoints;

/// <summary>The ledger's guard and the duty that signs.</summary>
internal static class CheckpointRegistration
{
    /// <summary>Takes <see cref="CheckpointSettings"/> from the services.</summary>
    public static void AddCheckpoints(this WebApplicationBuilder builder)
    {
        builder.Services
            .AddSingleton(static services => new CheckpointTable(services.GetRequiredKeyedService<NpgsqlDataSource>("town-sequencer")))
            .AddSingleton<LedgerGuard>()
            .AddSingleton<ILedgerGuard>(static services => services.GetRequiredService<LedgerGuard>())
            .AddSingleton<IStanding>(static services => services.GetRequiredService<LedgerGuard>());
        builder.Services.AddHostedService(static services => services.GetRequiredService<LedgerGuard>());
        builder.Services.AddHostedService<CheckpointDuty>();
    }
}
