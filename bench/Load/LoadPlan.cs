namespace Townhall.Bench.Load;

/// <summary>What to send, by how many callers, for how long.</summary>
internal sealed record LoadPlan
{
    public required Uri Target { get; init; }

    /// <summary>Whole requests, headers included, sent in turn.</summary>
    public required IReadOnlyList<byte[]> Requests { get; init; }

    /// <summary>Connections, each with one call in flight at most.</summary>
    public required int Callers { get; init; }

    /// <summary>How long calls are begun; null where <see cref="Count"/> decides.</summary>
    public TimeSpan? Duration { get; init; }

    /// <summary>How many calls are begun; null where <see cref="Duration"/> decides.</summary>
    public int? Count { get; init; }

    /// <summary>Calls a second, whatever the answers do; null: each caller sends again as soon as it is answered.</summary>
    public int? Rate { get; init; }

    /// <summary>Where all callers wait for answers, <see cref="Rate"/> is only the most that is sent, and is caught up with later.</summary>
    public bool AtMost { get; init; }

    /// <summary>The status of a good answer.</summary>
    public int Expected { get; init; } = 201;

    /// <summary>The longest answer there will be, headers included.</summary>
    public int AnswerBytesMost { get; init; } = 8192;

    /// <summary>No answer at all for so long means that there will be none.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(10);
}

/// <summary>One answered call.</summary>
/// <param name="SentAt">The wall clock at the send, which the database on the same machine shares.</param>
internal readonly record struct Call(Guid Task, DateTimeOffset SentAt, double AnswerMs);

/// <param name="Window">From the first send to the end of sending, or to the last answer where a count was asked for.</param>
/// <param name="Answered">Calls answered as expected within the window.</param>
/// <param name="Calls">Every call answered as expected, also after the window.</param>
/// <param name="LatestMs">By how much the worst send missed its place in the schedule; zero without one.</param>
internal sealed record LoadResult(TimeSpan Window, int Answered, IReadOnlyList<Call> Calls, double LatestMs)
{
    public double PerSecond => Answered / Window.TotalSeconds;

    public double AnswerMs(double part) => Report.Percentile([.. Calls.Select(static call => call.AnswerMs)], part);
}
