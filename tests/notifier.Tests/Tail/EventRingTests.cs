using Townhall.Ledger;
using Townhall.Notifier.Tail;

namespace Townhall.Notifier.Tests.Tail;

public sealed class EventRingTests
{
    [Fact]
    public void Before_the_ledger_was_read_there_is_nothing() =>
        Assert.Equal(RingAnswer.Nothing, new EventRing().After(0, 10).Answer);

    [Fact]
    public void It_answers_from_the_position_on()
    {
        var ring = new EventRing();
        ring.Begin(10);
        ring.Append([Frame(11), Frame(12), Frame(13)]);

        Assert.Equal([12, 13], ring.After(11, 10).Frames.Select(static frame => frame.Seq));
        Assert.Equal([11], ring.After(10, 1).Frames.Select(static frame => frame.Seq));
        Assert.Equal(RingAnswer.Nothing, ring.After(13, 10).Answer);
        Assert.Equal(RingAnswer.Behind, ring.After(9, 10).Answer);
    }

    [Fact]
    public void Its_size_is_bounded_by_count_and_by_bytes()
    {
        var ring = new EventRing();
        ring.Begin(0);
        ring.Append([.. Enumerable.Range(1, EventRing.EventsMost + 5).Select(static seq => Frame(seq))]);
        Assert.Equal(RingAnswer.Behind, ring.After(4, 10).Answer);
        Assert.Equal(RingAnswer.More, ring.After(5, 10).Answer);

        var heavy = new EventRing();
        heavy.Begin(0);
        heavy.Append([Frame(1, 5_000_000), Frame(2, 5_000_000)]);
        Assert.Equal(RingAnswer.Behind, heavy.After(0, 10).Answer);
        Assert.Equal([2], heavy.After(1, 10).Frames.Select(static frame => frame.Seq));
    }

    [Fact]
    public void Whoever_waits_is_woken_by_the_next_change()
    {
        var ring = new EventRing();
        ring.Begin(0);
        var changed = ring.Changed;
        Assert.False(changed.IsCompleted);

        ring.Append([Frame(1)]);

        Assert.True(changed.IsCompleted);
        Assert.False(ring.Changed.IsCompleted);
    }

    private static EventFrame Frame(long seq, int size = 10) => new(
        new LedgerEntry("t", seq, seq, default, "a", "TaskAssigned", null, null, null, "success", "{}", [], []), new byte[size]);
}
