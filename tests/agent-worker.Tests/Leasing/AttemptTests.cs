using Townhall.Contracts.Workers;
using Townhall.Worker.Leasing;
using Townhall.Worker.Tests.Harness;

namespace Townhall.Worker.Tests.Leasing;

public sealed class AttemptTests
{
    private readonly ManualClock _clock = new();

    [Theory]
    [InlineData(30, 25)]
    [InlineData(120, 115)]
    [InlineData(6, 4)]
    [InlineData(3, 2)]
    public void An_attempt_freezes_at_its_fence_and_not_before(int leaseSecs, int fenceSecs)
    {
        using var attempt = Leased(leaseSecs);
        _clock.Advance(TimeSpan.FromSeconds(fenceSecs) - TimeSpan.FromMilliseconds(1));
        Assert.False(attempt.IsFrozen);
        _clock.Advance(TimeSpan.FromMilliseconds(1));
        Assert.True(attempt.IsFrozen);
    }

    [Fact]
    public void A_renewal_counts_from_when_it_was_sent_and_thaws()
    {
        using var attempt = Leased(30);
        _clock.Advance(TimeSpan.FromSeconds(20));
        var sentAt = _clock.GetTimestamp();
        _clock.Advance(TimeSpan.FromSeconds(8));
        Assert.True(attempt.IsFrozen);
        attempt.Renewed(sentAt, TimeSpan.FromSeconds(30));
        Assert.False(attempt.IsFrozen);
        _clock.Advance(TimeSpan.FromSeconds(16.9));
        Assert.False(attempt.IsFrozen);
        _clock.Advance(TimeSpan.FromSeconds(0.1));
        Assert.True(attempt.IsFrozen);
    }

    [Fact]
    public void An_answer_that_comes_too_late_does_not_thaw_and_an_older_one_changes_nothing()
    {
        using var attempt = Leased(30);
        var old = _clock.GetTimestamp();
        _clock.Advance(TimeSpan.FromSeconds(10));
        attempt.Renewed(_clock.GetTimestamp(), TimeSpan.FromSeconds(30));
        attempt.Renewed(old, TimeSpan.FromSeconds(30));
        _clock.Advance(TimeSpan.FromSeconds(24));
        Assert.False(attempt.IsFrozen);
        var sentAt = _clock.GetTimestamp();
        _clock.Advance(TimeSpan.FromSeconds(26));
        attempt.Renewed(sentAt, TimeSpan.FromSeconds(30));
        Assert.True(attempt.IsFrozen);
    }

    [Fact]
    public async Task An_attempt_whose_grant_was_long_on_its_way_waits_for_a_renewal_before_it_starts()
    {
        var sentAt = _clock.GetTimestamp();
        _clock.Advance(TimeSpan.FromSeconds(27));
        using var attempt = new Attempt(Lease(30), sentAt, _clock, hasProcess: true);
        var mayRun = attempt.MayRunAsync();
        Assert.False(mayRun.IsCompleted);
        Assert.True(attempt.UntilRenewal < TimeSpan.Zero);
        attempt.Renewed(_clock.GetTimestamp(), TimeSpan.FromSeconds(30));
        await mayRun.WaitAsync(TimeSpan.FromSeconds(5));
    }

    [Fact]
    public void A_pause_outlasts_a_renewal()
    {
        using var attempt = Leased(30);
        attempt.Pause(true);
        attempt.Renewed(_clock.GetTimestamp(), TimeSpan.FromSeconds(30));
        Assert.True(attempt.IsFrozen);
        attempt.Pause(false);
        Assert.False(attempt.IsFrozen);
    }

    [Fact]
    public void Only_a_harder_reason_replaces_an_earlier_one()
    {
        using var attempt = Leased(30);
        attempt.End(EndReason.Cancelled);
        Assert.True(attempt.Ending.IsCancellationRequested);
        attempt.End(EndReason.Lost);
        attempt.End(EndReason.Cancelled);
        Assert.Equal(EndReason.Lost, attempt.Reason);
    }

    private Attempt Leased(int leaseSecs) => new(Lease(leaseSecs), _clock.GetTimestamp(), _clock, hasProcess: true);

    private static Lease Lease(double leaseSecs) =>
        new(Guid.NewGuid(), 1, Guid.NewGuid(), Guid.NewGuid(), "Ada", "command", "sh", "", leaseSecs, null, "trusted", AgentGrant.None);
}
