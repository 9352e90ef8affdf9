namespace Townhall.Contracts.Agents;

/// <summary>Where an agent is in its life. Orthogonal to <see cref="AgentState"/>, and PascalCase on every wire.</summary>
public enum AgentPhase
{
    /// <summary>It never worked.</summary>
    Init,

    /// <summary>Between two attempts.</summary>
    Plan,

    /// <summary>An attempt is under way, also one that stands still.</summary>
    Act,

    /// <summary>It looks at what it did. Commands do not say when they do, so no agent of theirs is ever seen in it.</summary>
    Observe,

    /// <summary>It has ended, until somebody restarts it.</summary>
    Terminate,
}

/// <summary>Derives the phase from what is known of an agent that runs commands.</summary>
public static class AgentPhases
{
    /// <param name="running">Leased tasks.</param>
    /// <param name="begun">Whether any attempt ever began.</param>
    public static AgentPhase Of(AgentState state, int running, bool begun) =>
        state is AgentState.Stopped or AgentState.Error ? AgentPhase.Terminate
        : running > 0 || state == AgentState.Working ? AgentPhase.Act
        : begun ? AgentPhase.Plan
        : AgentPhase.Init;
}
