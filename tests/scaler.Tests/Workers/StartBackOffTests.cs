using Townhall.Scaler.Workers;
using Townhall.Testing;

namespace Townhall.Scaler.Tests.Workers;

public sealed class StartBackOffTests
{
    [Fact]
    public void After_a_failure_one_start_is_tried_each_time_later_until_one_arrives()
    {
        var clock = new TestClock();
        var backOff = new StartBackOff(clock);
        Assert.Equal(4, backOff.Allowed(4));

        backOff.Failed();
        Assert.Equal(0, backOff.Allowed(4));
        clock.Advance(backOff.Pause);
        Assert.Equal(1, backOff.Allowed(4));

        var first = backOff.Pause;
        backOff.Failed();
        Assert.Equal(first * 2, backOff.Pause);

        backOff.Arrived();
        Assert.Equal(4, backOff.Allowed(4));
    }

    [Fact]
    public void The_pause_has_a_ceiling()
    {
        var backOff = new StartBackOff(new TestClock());
        for (var failure = 0; failure < 1000; failure++)
        {
            backOff.Failed();
        }

        Assert.Equal(TimeSpan.FromSeconds(30), backOff.Pause);
    }
}
