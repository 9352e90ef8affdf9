namespace Townhall.Scaler.Demand;

/// <summary>What the town had to do, and who was there to do it, at one instant of the database.</summary>
/// <param name="At">The database's clock.</param>
/// <param name="Backlog">Tasks without an agent.</param>
/// <param name="Assigned">Tasks with an agent that no worker has; delayed ones and those of paused agents too.</param>
/// <param name="Running">Leased tasks.</param>
/// <param name="Startable">Tasks that a worker could start this instant, within every limit.</param>
/// <param name="OldestWaitingSecs">How long the oldest of those has been due: of each agent's next one, the longest; null when nothing is startable.</param>
/// <param name="Workers">Registered workers that take work.</param>
/// <param name="DrainingWorkers">Registered workers that only finish what they have.</param>
/// <param name="DrainingTasks">Tasks that those still hold.</param>
internal sealed record TownDemand(
    DateTime At, long Backlog, long Assigned, long Running, long Startable, double? OldestWaitingSecs,
    int Workers, int DrainingWorkers, int DrainingTasks)
{
    /// <summary>Tasks of the backlog that idle agents of their role would start this instant: the dispatcher is about to give them.</summary>
    public long Claimable { get; init; }
}

/// <param name="Active">Starting, idle, working, paused or draining.</param>
/// <param name="Cold">Idle for longer than the idle timeout, with nothing to do.</param>
internal sealed record AgentCounts(long Active, long Cold)
{
    /// <summary>How many were looked at: these and those that were stopped.</summary>
    public long All { get; init; }
}
