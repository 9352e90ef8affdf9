using Npgsql;
using Townhall.Ledger;

namespace Townhall.Dispatcher.Duties;

/// <summary>What one process per town does: lead, seal, reap; and the sweep, which all do.</summary>
internal static class DutyRegistration
{
    public static void AddDuties(this WebApplicationBuilder builder)
    {
        builder.AddKeyedNpgsqlDataSource("town-sequencer", configureDataSourceBuilder: static source => Extensions.Bound(source, connectionsMost: 2));
        builder.Services.AddSingleton(static services =>
            new LedgerChain(services.GetRequiredKeyedService<NpgsqlDataSource>("town-sequencer")));
        builder.Services.AddSingleton<SequencerBell>().AddSingleton<IReaperStore, ReaperStore>().AddSingleton<Leadership>()
            .AddSingleton<ILeadership>(static services => services.GetRequiredService<Leadership>());
        builder.Services.AddHostedService(static services => services.GetRequiredService<Leadership>());
        builder.Services.AddHostedService<Sequencer>();
        builder.Services.AddHostedService<Reaper>();
        builder.Services.AddHostedService<KeyPruning>();
        builder.Services.AddHostedService<Sweep>();
    }
}
