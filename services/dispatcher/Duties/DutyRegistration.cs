using Npgsql;
using Townhall.Dispatcher.Checkpoints;
using Townhall.Ledger;
using Townhall.ServiceDefaults.Health;

namespace Townhall.Dispatcher.Duties;

/// <summary>What one process per town does: lead, seal, reap; and the sweep, which all do.</summary>
internal static class DutyRegistration
{
    public static void AddDuties(this WebApplicationBuilder builder)
    {
        builder.AddKeyedNpgsqlDataSource("town-sequencer", configureDataSourceBuilder: static source => Extensions.Bound(source, connectionsMost: 2));
        builder.Services
            .AddSingleton(static services => new LedgerChain(services.GetRequiredKeyedService<NpgsqlDataSource>("town-sequencer")))
            .AddSingleton(static services => new FootingSource(
                "ConnectionStrings__town-sequencer", services.GetRequiredKeyedService<NpgsqlDataSource>("town-sequencer")));
        builder.Services.AddSingleton<SequencerBell>().AddSingleton<IReaperStore, ReaperStore>().AddSingleton<Leadership>()
            .AddSingleton<ILeadership>(static services => services.GetRequiredService<Leadership>());
        builder.Services.AddHostedService(static services => services.GetRequiredService<Leadership>());
        // Stopped in reverse: the last checkpoint is made when nothing is sealed any more and this process still leads.
        builder.AddCheckpoints();
        builder.Services.AddHostedService<Sequencer>();
        builder.Services.AddHostedService<Reaper>();
        builder.Services.AddHostedService<KeyPruning>();
        builder.Services.AddHostedService<SnapshotWatch>();
        builder.Services.AddHostedService<Sweep>();
    }
}
