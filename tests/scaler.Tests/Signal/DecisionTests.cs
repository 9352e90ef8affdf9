using Townhall.Scaler.Demand;
using Townhall.Scaler.Signal;

namespace Townhall.Scaler.Tests.Signal;

public sealed class DecisionTests
{
    private static readonly ScalingLimits Limits = new(MaxAgents: 10, MaxWorkers: 3, SlotsPerWorker: 8);

    // backlog, assigned, running, active → depth, pending, desired, recommendation. The first three are the contract's own.
    [Theory]
    [InlineData(1, 1, 0, 1, 2, 2, 2, "scale_up")]
    [InlineData(0, 1, 1, 1, 2, 1, 2, "scale_up")]
    [InlineData(0, 0, 0, 0, 0, 0, 0, "scale_to_zero")]
    [InlineData(0, 0, 0, 1, 0, 0, 0, "scale_down")]
    [InlineData(0, 0, 1, 1, 1, 0, 1, "steady")]
    [InlineData(0, 0, 1, 2, 1, 0, 1, "scale_down")]
    [InlineData(0, 1, 0, 2, 1, 1, 1, "steady")]
    [InlineData(5, 0, 0, 0, 5, 5, 5, "scale_up")]
    [InlineData(50, 0, 0, 10, 50, 50, 10, "steady")]
    [InlineData(50, 0, 0, 9, 50, 50, 10, "scale_up")]
    [InlineData(0, 0, 50, 11, 50, 0, 10, "scale_down")]
    public void The_contract_decides_by_its_four_rules_in_order(
        long backlog, long assigned, long running, long active, long depth, long pending, long desired, string recommendation)
    {
        var decision = ScalingDecision.From(Demand(backlog, assigned, running, startable: 0), new AgentCounts(active, 0), Limits);

        Assert.Equal(
            (depth, pending, running, desired, recommendation),
            (decision.QueueDepth, decision.Pending, decision.InFlight, decision.DesiredAgents, decision.Recommendation));
    }

    [Theory]
    [InlineData(0, 0, 0)]
    [InlineData(1, 0, 1)]
    [InlineData(8, 0, 1)]
    [InlineData(9, 0, 2)]
    [InlineData(4, 5, 2)]
    [InlineData(0, 8, 1)]
    [InlineData(1000, 0, 3)]
    public void Workers_are_recommended_for_what_can_start_and_what_runs(long startable, long running, int workers) =>
        Assert.Equal(
            workers,
            ScalingDecision.From(Demand(0, startable, running, startable), new AgentCounts(1, 0), Limits).WantedWorkers);

    [Fact]
    public void Work_that_cannot_start_wants_no_worker_and_is_explained()
    {
        var decision = ScalingDecision.From(Demand(backlog: 2, assigned: 5, running: 0, startable: 0), new AgentCounts(1, 0), Limits);

        Assert.Equal((0, "scale_up"), (decision.WantedWorkers, decision.Recommendation));
        Assert.Contains(decision.Reasons, static reason => reason.StartsWith("5 assigned tasks wait", StringComparison.Ordinal));
        Assert.Contains(decision.Reasons, static reason => reason.StartsWith("2 tasks in the backlog", StringComparison.Ordinal));
    }

    [Fact]
    public void The_ceiling_is_named_when_it_holds_back() =>
        Assert.Contains(
            ScalingDecision.From(Demand(0, 100, 0, 100), new AgentCounts(1, 0), Limits).Reasons,
            static reason => reason.Contains("TOWN_MAX_WORKERS", StringComparison.Ordinal));

    [Fact]
    public void An_empty_town_says_so() =>
        Assert.Equal(["Nothing to do."], ScalingDecision.From(Demand(0, 0, 0, 0), new AgentCounts(0, 3), Limits).Reasons);

    [Fact]
    public void What_draining_workers_finish_starts_nobody()
    {
        var demand = Demand(0, 0, running: 5, startable: 0) with { DrainingWorkers = 1, DrainingTasks = 5 };

        Assert.Equal(0, ScalingDecision.ToRun(demand, Limits));
        Assert.Equal(1, ScalingDecision.ToRun(demand with { Startable = 1 }, Limits));
    }

    [Fact]
    public void No_ceiling_means_no_worker() =>
        Assert.Equal(0, ScalingDecision.ToRun(Demand(0, 9, 0, 9), Limits with { MaxWorkers = 0 }));

    private static TownDemand Demand(long backlog, long assigned, long running, long startable) =>
        new(default, backlog, assigned, running, startable, null, 0, 0, 0);
}
