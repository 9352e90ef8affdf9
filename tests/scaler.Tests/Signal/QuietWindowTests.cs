using Townhall.Scaler.Signal;
using Townhall.Testing;

namespace Townhall.Scaler.Tests.Signal;

public sealed class QuietWindowTests
{
    private readonly TestClock _clock = new();

    [Fact]
    public void It_goes_up_at_once_and_down_only_after_a_quiet_window()
    {
        var window = new QuietWindow(TimeSpan.FromSeconds(60), _clock);

        Assert.Equal(3, window.Observe(3));
        _clock.Advance(TimeSpan.FromSeconds(59));
        Assert.Equal(3, window.Observe(0));
        _clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(0, window.Observe(0));
        Assert.Equal(2, window.Observe(2));
    }

    [Fact]
    public void It_goes_down_no_further_than_the_most_that_was_needed_meanwhile()
    {
        var window = new QuietWindow(TimeSpan.FromSeconds(60), _clock);
        window.Observe(5);
        _clock.Advance(TimeSpan.FromSeconds(30));
        window.Observe(2);
        _clock.Advance(TimeSpan.FromSeconds(30));

        Assert.Equal(2, window.Observe(0));
        _clock.Advance(TimeSpan.FromSeconds(60));
        Assert.Equal(0, window.Observe(0));
    }

    [Fact]
    public void A_load_that_comes_and_goes_does_not_flap()
    {
        var window = new QuietWindow(TimeSpan.FromSeconds(60), _clock);
        var recommended = new List<int>();
        for (var second = 0; second < 600; second++)
        {
            recommended.Add(window.Observe(second % 10 < 5 ? 2 : 1));
            _clock.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.Equal([2], recommended.Distinct());
    }
}
