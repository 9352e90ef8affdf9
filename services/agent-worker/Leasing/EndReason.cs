namespace Townhall.Worker.Leasing;

/// <summary>Why a running attempt is told to end. A later reason counts only if it is harder than the first.</summary>
internal enum EndReason
{
    /// <summary>Nobody told it.</summary>
    None,

    /// <summary>The task was withdrawn: SIGTERM, grace, SIGKILL; settled as cancelled.</summary>
    Cancelled,

    /// <summary>The agent was killed: SIGKILL; settled as released, so that its task can be given to another agent.</summary>
    Killed,

    /// <summary>The worker stops: SIGKILL, since grace was given before; settled as released.</summary>
    Released,

    /// <summary>The lease is somebody else's: SIGKILL; nothing is settled.</summary>
    Lost,
}
