using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging.Abstractions;
using Townhall.Scaler.Demand;
using Townhall.Scaler.Signal;
using Townhall.ServiceDefaults.Settings;
using Townhall.Testing;

namespace Townhall.Scaler.Tests.Signal;

public sealed class ScalingSignalTests
{
    private readonly TestClock _clock = new();
    private readonly WorkBell _bell = new();
    private readonly CancellationToken _deadline = Deadline.Usual();

    [Fact]
    public async Task A_large_town_counts_its_agents_every_ten_seconds_however_often_it_is_asked_and_rung_for()
    {
        var store = new FakeStore(_clock) { Agents = new(40_000, 10_000) { All = 50_000 } };
        var signal = Signal(store);

        for (var turn = 0; turn < 400; turn++)
        {
            _bell.Ring();
            await signal.ReadAsync(_deadline);
            _clock.Advance(TimeSpan.FromMilliseconds(100));
        }

        Assert.InRange(store.Counts, 4, 5);
        Assert.InRange(store.Reads, 390, 400);
    }

    [Fact]
    public async Task A_small_town_s_agents_are_as_fresh_as_its_tasks()
    {
        var store = new FakeStore(_clock) { Agents = new(3, 0) { All = 3 } };
        var signal = Signal(store);
        await signal.ReadAsync(_deadline);

        store.Agents = new(4, 0) { All = 4 };
        _clock.Advance(TimeSpan.FromMilliseconds(100));
        _bell.Ring();

        Assert.Equal(4, (await signal.ReadAsync(_deadline))!.Agents.Active);
    }

    [Fact]
    public async Task What_a_decision_follows_from_is_read_anew_while_the_count_of_agents_serves_on()
    {
        var store = new FakeStore(_clock) { Agents = new(2_000, 0) { All = 2_000 } };
        var signal = Signal(store);
        await signal.ReadAsync(_deadline);

        store.Startable = 9;
        _clock.Advance(TimeSpan.FromSeconds(1));
        var reading = await signal.ReadAsync(_deadline);

        Assert.Equal((9, 2, 1), (reading!.Demand.Startable, reading.RecommendedWorkers, store.Counts));
        Assert.Equal(TimeSpan.Zero, signal.AgeOf(reading));
    }

    [Fact]
    public async Task A_reading_that_takes_long_is_followed_by_a_long_rest_and_still_never_older_than_five_seconds()
    {
        var store = new FakeStore(_clock) { Agents = new(1, 0) { All = 1 }, Takes = TimeSpan.FromMilliseconds(300) };
        var signal = Signal(store);
        for (var turn = 0; turn < 300; turn++)
        {
            _bell.Ring();
            Assert.InRange(signal.AgeOf((await signal.ReadAsync(_deadline))!), TimeSpan.Zero, TimeSpan.FromSeconds(5));
            _clock.Advance(TimeSpan.FromMilliseconds(100));
        }

        // 30 s of asking and the readings themselves; one takes 0.3 s, and ten times that is more than the 2.5 s from one to the next at most.
        Assert.InRange(store.Reads, 12, 15);
    }

    private ScalingSignal Signal(IDemandStore store) => new(
        store, _bell, TownSettings.From(new ConfigurationBuilder().Build()), new SignalSettings(TimeSpan.Zero), _clock, NullLogger<ScalingSignal>.Instance);

    private sealed class FakeStore(TestClock clock) : IDemandStore
    {
        public AgentCounts Agents { get; set; } = new(0, 0);

        public long Startable { get; set; }

        public TimeSpan Takes { get; init; }

        public int Reads { get; private set; }

        public int Counts { get; private set; }

        public Task<TownDemand> ReadAsync(CancellationToken cancellationToken)
        {
            Reads++;
            clock.Advance(Takes);
            return Task.FromResult(new TownDemand(default, 0, Startable, 0, Startable, null, 0, 0, 0));
        }

        public Task<AgentCounts> CountAgentsAsync(CancellationToken cancellationToken)
        {
            Counts++;
            return Task.FromResult(Agents);
        }
    }
}
