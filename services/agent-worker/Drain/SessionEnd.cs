namespace Townhall.Worker.Drain;

/// <summary>How a session ended.</summary>
internal enum SessionEnd
{
    /// <summary>The dispatcher agreed that this worker ends.</summary>
    Drained,

    /// <summary>It was told to stop, and has let go of everything it could.</summary>
    Stopped,

    /// <summary>The dispatcher no longer knows it: a new registration may follow.</summary>
    Forgotten,
}
