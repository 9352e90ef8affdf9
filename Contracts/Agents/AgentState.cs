namespace Townhall.Contracts.Agents;

/// <summary>What an agent is doing. PascalCase in <c>/v1</c>, lower-case elsewhere.</summary>
public enum AgentState
{
    Cold,
    Starting,
    Idle,
    Working,
    Paused,
    Draining,
    Stopped,
    Error,
}

/// <summary>What somebody decided about an agent; everything else about its state follows from its work.</summary>
public enum AgentControl
{
    Active,
    Paused,
    Draining,
    Stopped,
    Error,
}

/// <summary>Derives the state people see from what is stored. SQL function <c>agent_state</c> is its twin; a test compares them over all inputs.</summary>
public static class AgentStates
{
    /// <param name="control">What somebody decided.</param>
    /// <param name="running">Leased tasks.</param>
    /// <param name="queued">True when at least one assigned task waits.</param>
    /// <param name="worked">True when the agent ever ran a task.</param>
    /// <param name="recent">True when it was made, or was last active, less than the idle timeout ago.</param>
    public static AgentState Derive(AgentControl control, int running, bool queued, bool worked, bool recent) => control switch
    {
        AgentControl.Paused => AgentState.Paused,
        AgentControl.Draining => AgentState.Draining,
        AgentControl.Stopped => AgentState.Stopped,
        AgentControl.Error => AgentState.Error,
        _ when running > 0 => AgentState.Working,
        _ when recent => worked ? AgentState.Idle : AgentState.Starting,
        _ => queued ? AgentState.Starting : AgentState.Cold,
    };

    /// <summary>True for the states that the scaling signal counts as active.</summary>
    public static bool IsActive(AgentState state) =>
        state is AgentState.Starting or AgentState.Idle or AgentState.Working or AgentState.Paused or AgentState.Draining;
}
