namespace Townhall.Scaler.Workers;

/// <summary>Keeps a worker that cannot start from becoming a fork storm: after each failure one try, each time later, until one arrives.</summary>
internal sealed class StartBackOff(TimeProvider clock)
{
    private static readonly TimeSpan First = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(30);
    private long _failedAt;

    /// <summary>Starts that failed since one last succeeded.</summary>
    public int Failures { get; private set; }

    /// <summary>The pause that the last failure began; zero without one.</summary>
    public TimeSpan Pause { get; private set; }

    /// <summary>How many starts may be on their way at once: one while starting is in doubt.</summary>
    /// <param name="most">The bound when it is not.</param>
    public int Allowed(int most)
    {
        if (Failures == 0)
        {
            return most;
        }

        return clock.GetElapsedTime(_failedAt) >= Pause ? Math.Min(1, most) : 0;
    }

    public void Failed()
    {
        Failures++;
        Pause = TimeSpan.FromTicks(Math.Min(Longest.Ticks, First.Ticks << Math.Min(Failures - 1, 20)));
        _failedAt = clock.GetTimestamp();
    }

    public void Arrived()
    {
        Failures = 0;
        Pause = TimeSpan.Zero;
    }
}
