using static Townhall.Contracts.Agents.AgentControl;
using static Townhall.Contracts.Agents.AgentEvent;

namespace Townhall.Contracts.Agents;

/// <summary>What can be decided about an agent, or happen to it.</summary>
public enum AgentEvent
{
    /// <summary>Start nothing more for now; what runs goes on, or stands still if it is to be frozen.</summary>
    Pause,

    /// <summary>Go on.</summary>
    Resume,

    /// <summary>End what runs and start nothing more.</summary>
    Kill,

    /// <summary>Begin again after an end.</summary>
    Restart,

    /// <summary>Take nothing new, finish what runs, then stop.</summary>
    Close,

    /// <summary>The last attempt of a draining agent has ended.</summary>
    Drained,
}

/// <summary>The legal moves of an agent. SQL table <c>agent_move</c> is its twin; a test compares them.</summary>
/// <remarks>Deciding again what is decided already is legal and changes nothing, so that a lost answer can be asked for again.</remarks>
public static class AgentMoves
{
    /// <summary>Every legal move; what is not here is refused.</summary>
    public static IReadOnlyList<(AgentControl From, AgentEvent On, AgentControl To)> All { get; } =
    [
        (Active, Pause, Paused),
        (Paused, Pause, Paused),
        (Active, Resume, Active),
        (Paused, Resume, Active),
        (Active, Kill, Stopped),
        (Paused, Kill, Stopped),
        (Draining, Kill, Stopped),
        (Stopped, Kill, Stopped),
        (Error, Kill, Stopped),
        (Stopped, Restart, Active),
        (Error, Restart, Active),
        (Active, Close, Draining),
        (Paused, Close, Draining),
        (Draining, Close, Draining),
        (Stopped, Close, Stopped),
        (Draining, Drained, Stopped),
    ];

    /// <summary>Where <paramref name="on"/> leads from <paramref name="from"/>; null where it is illegal.</summary>
    public static AgentControl? Next(AgentControl from, AgentEvent on)
    {
        foreach (var move in All)
        {
            if (move.From == from && move.On == on)
            {
                return move.To;
            }
        }

        return null;
    }
}
