using Npgsql;
using Townhall.ServiceDefaults.Problems;

namespace Townhall.ServiceDefaults.Tests.Problems;

public sealed class SqlFailuresTests
{
    [Theory]
    [InlineData("40001", 2, 3)]
    [InlineData("40P01", 1, 2)]
    public async Task What_met_a_lock_is_tried_again_and_its_caller_hears_nothing_of_it(string state, int conflicts, int calls)
    {
        var called = 0;
        Assert.Equal(calls, await SqlFailures.AgainAfterConflictAsync(() => ++called <= conflicts ? throw Failure(state) : Task.FromResult(called)));
    }

    [Theory]
    [InlineData("40001", 3)]
    [InlineData("22021", 1)]
    [InlineData("55P03", 1)]
    [InlineData("57P01", 1)]
    public async Task A_conflict_that_stays_and_every_other_failure_are_the_callers(string state, int calls)
    {
        var called = 0;
        var failure = await Assert.ThrowsAsync<PostgresException>(() => SqlFailures.AgainAfterConflictAsync<int>(() =>
        {
            called++;
            throw Failure(state);
        }));
        Assert.Equal((state, calls), (failure.SqlState, called));
    }

    private static PostgresException Failure(string state) => new("refused", "ERROR", "ERROR", state);
}
