using System.Globalization;
using Townhall.Scaler.Demand;

namespace Townhall.Scaler.Signal;

/// <summary>The words of <c>scaling_recommendation</c>.</summary>
internal static class Recommendations
{
    public const string ScaleToZero = "scale_to_zero";
    public const string ScaleUp = "scale_up";
    public const string ScaleDown = "scale_down";
    public const string Steady = "steady";
}

/// <param name="SlotsPerWorker">Tasks that one worker runs at once.</param>
internal readonly record struct ScalingLimits(int MaxAgents, int MaxWorkers, int SlotsPerWorker);

/// <summary>What follows from a demand, and nothing else: no clock, no memory, no I/O.</summary>
/// <remarks>
/// <c>Pending</c>, <c>InFlight</c>, <c>QueueDepth</c>, <c>DesiredAgents</c> and <c>Recommendation</c> are the contract's and
/// keep its formulas; <c>WantedWorkers</c> is ours and counts what can start now.
/// </remarks>
internal sealed record ScalingDecision(
    long QueueDepth, long Pending, long InFlight, long DesiredAgents, string Recommendation, int WantedWorkers, string[] Reasons)
{
    public static ScalingDecision From(TownDemand demand, AgentCounts agents, ScalingLimits limits)
    {
        var pending = demand.Backlog + demand.Assigned;
        var depth = pending + demand.Running;
        var desired = Math.Min(depth, limits.MaxAgents);
        return new ScalingDecision(
            depth, pending, demand.Running, desired, Recommend(pending, demand.Running, desired, agents.Active),
            Workers(demand.Startable + demand.Claimable + demand.Running, limits), Explain(demand, limits));
    }

    /// <summary>Workers that should be there to take work. What draining workers still hold is theirs and needs nobody else.</summary>
    public static int ToRun(TownDemand demand, ScalingLimits limits) =>
        Workers(demand.Startable + demand.Claimable + Math.Max(0, demand.Running - demand.DrainingTasks), limits);

    private static int Workers(long tasks, ScalingLimits limits) =>
        (int)Math.Min(limits.MaxWorkers, (tasks + limits.SlotsPerWorker - 1) / limits.SlotsPerWorker);

    // The four rules of the scaling contract, first match wins. An agent that was idle for the whole idle timeout is cold
    // and no longer active here, so "every active agent is idle for so long" means that there is no active agent.
    private static string Recommend(long pending, long inFlight, long desired, long active) =>
        desired == 0 && pending == 0 && inFlight == 0 && active == 0 ? Recommendations.ScaleToZero
        : desired > active ? Recommendations.ScaleUp
        : desired < active && pending == 0 ? Recommendations.ScaleDown
        : Recommendations.Steady;

    private static string[] Explain(TownDemand demand, ScalingLimits limits)
    {
        List<string> reasons = [];
        var blocked = Math.Max(0, demand.Assigned - demand.Startable);
        Say(reasons, demand.Startable, "task can start now", "tasks can start now");
        Say(reasons, demand.Running, "task is running", "tasks are running");
        Say(reasons, demand.DrainingTasks, "of them is finished by a draining worker", "of them are finished by draining workers");
        Say(
            reasons,
            blocked,
            "assigned task waits for its due time or its agent, which is paused or busy at its limit; a worker would not help",
            "assigned tasks wait for their due time or their agents, which are paused or busy at their limits; workers would not help");
        Say(reasons, demand.Claimable, "task of the backlog is for an idle agent, which gets it now", "tasks of the backlog are for idle agents, which get them now");
        Say(
            reasons,
            Math.Max(0, demand.Backlog - demand.Claimable),
            "task in the backlog waits for an agent of its role that is active and idle",
            "tasks in the backlog wait for agents of their roles that are active and idle");
        if (Workers(demand.Startable + demand.Claimable + demand.Running, limits with { MaxWorkers = int.MaxValue }) is var wanted && wanted > limits.MaxWorkers)
        {
            reasons.Add(string.Create(CultureInfo.InvariantCulture, $"{wanted} workers would be used; the ceiling is {limits.MaxWorkers} (TOWN_MAX_WORKERS)."));
        }

        return reasons.Count > 0 ? [.. reasons] : ["Nothing to do."];
    }

    private static void Say(List<string> reasons, long count, string one, string many)
    {
        if (count > 0)
        {
            reasons.Add(string.Create(CultureInfo.InvariantCulture, $"{count} {(count == 1 ? one : many)}."));
        }
    }
}
