using Microsoft.Extensions.Logging.Abstractions;
using Townhall.Dispatcher.Checkpoints;
using Townhall.Dispatcher.Duties;
using Townhall.Ledger;
using Townhall.Testing;

namespace Townhall.Dispatcher.Tests.Duties;

public sealed class LeadershipTests(PostgresServer postgres) : IClassFixture<PostgresServer>
{
    [Fact]
    public async Task One_process_leads_and_the_next_one_takes_over_with_a_higher_epoch_when_the_term_is_over()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var clock = new TestClock();
        using var first = Make(database, clock);
        using var second = Make(database, clock);
        await first.TurnAsync(deadline);
        await second.TurnAsync(deadline);
        Assert.Equal((1L, (long?)null), (first.Epoch!.Value, second.Epoch));

        await database.ExecuteAsync("UPDATE leader SET until = now() - interval '1 second'", deadline);
        await second.TurnAsync(deadline);
        await first.TurnAsync(deadline);
        Assert.Equal(((long?)null, 2L), (first.Epoch, second.Epoch!.Value));
    }

    [Fact]
    public async Task A_leader_that_could_not_renew_for_a_term_stops_leading_and_goes_on_when_it_can_renew_again()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var clock = new TestClock();
        using var leader = Make(database, clock);
        await leader.TurnAsync(deadline);
        clock.Advance(TimeSpan.FromSeconds(7));
        Assert.Null(leader.Epoch);
        await leader.TurnAsync(deadline);
        Assert.Equal(1, leader.Epoch);

        var sequencer = new Sequencer(
            new LedgerChain(database.Sequencer), leader, new SequencerBell(), Quiet.Doorbell(new Seed(database).Town), new Seed(database).Town, clock,
            NullLogger<Sequencer>.Instance);
        await new Seed(database).WorkerAsync(deadline);
        Assert.Equal(1, await sequencer.TurnAsync(deadline));
        clock.Advance(TimeSpan.FromSeconds(7));
        await new Seed(database).WorkerAsync(deadline);
        Assert.Equal(0, await sequencer.TurnAsync(deadline));
        await leader.TurnAsync(deadline);
        Assert.Equal(1, await sequencer.TurnAsync(deadline));
    }

    private static Leadership Make(TestDatabase database, TimeProvider clock) =>
        new(database.App, new Unguarded(), new Seed(database).Town, clock, NullLogger<Leadership>.Instance);

    private sealed class Unguarded : ILedgerGuard
    {
        public bool Sound => true;

        public Task<bool> CheckAsync(CancellationToken cancellationToken) => Task.FromResult(true);
    }
}
