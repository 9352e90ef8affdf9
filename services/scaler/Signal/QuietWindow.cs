namespace Townhall.Scaler.Signal;

/// <summary>Goes up at once and down only after a whole window in which less would have done, to the most that was needed in it.</summary>
/// <remarks>Not safe for several threads at once: its one caller refreshes one after the other.</remarks>
internal sealed class QuietWindow(TimeSpan window, TimeProvider clock)
{
    private int _held;
    private int _peak;
    private long _since = clock.GetTimestamp();

    /// <summary>Takes what is wanted now and answers what to recommend.</summary>
    public int Observe(int wanted)
    {
        if (wanted >= _held)
        {
            _held = wanted;
            _peak = 0;
            _since = clock.GetTimestamp();
            return _held;
        }

        _peak = Math.Max(_peak, wanted);
        if (clock.GetElapsedTime(_since) >= window)
        {
            _held = _peak;
            _peak = wanted;
            _since = clock.GetTimestamp();
        }

        return _held;
    }
}
