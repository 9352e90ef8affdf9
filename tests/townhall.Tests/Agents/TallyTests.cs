using Townhall.Api.Agents;
using Townhall.Testing;

namespace Townhall.Api.Tests.Agents;

public sealed class TallyTests
{
    [Fact]
    public async Task However_many_ask_agents_are_counted_once_in_ten_seconds()
    {
        var deadline = Deadline.Usual();
        var clock = new TestClock();
        var (counted, agents) = (0, 7L);
        var gate = new TaskCompletionSource();
        var tally = new AgentTally(
            async _ =>
            {
                counted++;
                await gate.Task;
                return agents;
            },
            clock);
        var asked = Enumerable.Range(0, 100).Select(_ => tally.ReadAsync(deadline)).ToList();
        gate.SetResult();
        Assert.All(await Task.WhenAll(asked), static count => Assert.Equal(7, count));
        agents = 8;
        clock.Advance(TimeSpan.FromSeconds(9));
        Assert.Equal((7, 1), (await tally.ReadAsync(deadline), counted));
        clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal((8, 2), (await tally.ReadAsync(deadline), counted));
    }

    [Fact]
    public async Task A_count_that_failed_is_not_kept()
    {
        var deadline = Deadline.Usual();
        var fails = true;
        var tally = new AgentTally(_ => fails ? Task.FromException<long>(new TimeoutException()) : Task.FromResult(3L), new TestClock());
        await Assert.ThrowsAsync<TimeoutException>(() => tally.ReadAsync(deadline));
        fails = false;
        Assert.Equal(3, await tally.ReadAsync(deadline));
    }
}
