using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Townhall.Dispatcher.Duties;
using Townhall.Dispatcher.Leases;
using Townhall.ServiceDefaults.Settings;
using Townhall.Testing;

namespace Townhall.Dispatcher.Tests.Duties;

public sealed class ReaperOutageTests
{
    [Fact]
    public async Task An_outage_that_also_costs_the_leadership_is_still_an_outage()
    {
        var deadline = Deadline.Usual();
        var (town, leads) = (new Town { Away = true }, new Leads { Epoch = 7 });
        using var pump = new LeasePump(null!, null!, new ReadyAgents(), null!, new SequencerBell(), TimeProvider.System, NullLogger<LeasePump>.Instance);
        using var reaper = new Reaper(
            town, leads, new ReadyAgents(), pump, new SequencerBell(), new TownSettings { Name = "t", Root = "/" }, TimeProvider.System, NullLogger<Reaper>.Instance);

        await reaper.TurnAsync(deadline);
        leads.Epoch = null;
        await reaper.TurnAsync(deadline);
        town.Away = false;
        leads.Epoch = 8;
        await reaper.TurnAsync(deadline);
        await reaper.TurnAsync(deadline);

        // The first of each epoch that reached the database says what was; the one after it has nothing to add.
        Assert.Equal([(8L, true), (8L, false)], town.Begun);
    }

    private sealed class Leads : ILeadership
    {
        public long? Epoch { get; set; }
    }

    /// <summary>A database that can be away; nothing in it ever runs out.</summary>
    private sealed class Town : IReaperStore
    {
        public bool Away { get; set; }

        public List<(long Epoch, bool Broken)> Begun { get; } = [];

        public Task<bool> BeginAsync(long epoch, bool broken, CancellationToken cancellationToken)
        {
            if (Away)
            {
                throw new NpgsqlException("away");
            }

            Begun.Add((epoch, broken));
            return Task.FromResult(false);
        }

        public Task<int> EnsurePartitionsAsync(CancellationToken cancellationToken) =>
            Away ? throw new NpgsqlException("away") : Task.FromResult(0);

        public Task<IReadOnlyList<Guid>> ExpireAsync(CancellationToken cancellationToken) => throw NotAllowed();

        public Task<int> LoseSilentWorkersAsync(CancellationToken cancellationToken) => throw NotAllowed();

        public Task<IReadOnlyList<Guid>> AdmitAsync(string[]? keys, CancellationToken cancellationToken) => throw NotAllowed();

        public Task<IReadOnlyList<Guid>> ExpireDeadlinesAsync(CancellationToken cancellationToken) => throw NotAllowed();

        public Task<IReadOnlyList<Guid>> SweepAsync(CancellationToken cancellationToken) => throw NotAllowed();

        private static InvalidOperationException NotAllowed() => new("A turn that is not allowed ends nothing.");
    }
}
