namespace Townhall.ServiceDefaults.Health;

/// <summary>A reading that all who ask share, so that a flood of questions costs one answer: it is taken anew when the last one was begun
/// <paramref name="fresh"/> ago or longer.</summary>
public sealed class SharedReading<T>(TimeSpan fresh, TimeProvider clock)
{
    private readonly Lock _gate = new();
    private Task<T>? _reading;
    private long _begunAt;

    /// <param name="read">Takes it, in a time that it bounds itself: it belongs to nobody's request, and who began it may go while others wait.</param>
    /// <returns>A reading that was begun less than <c>fresh</c> before it was asked for, or is under way.</returns>
    public Task<T> ReadAsync(Func<Task<T>> read, CancellationToken cancellationToken)
    {
        Task<T> reading;
        lock (_gate)
        {
            if (_reading is null || (_reading.IsCompleted && clock.GetElapsedTime(_begunAt) >= fresh))
            {
                _begunAt = clock.GetTimestamp();
                _reading = read();
            }

            reading = _reading;
        }

        return reading.WaitAsync(cancellationToken);
    }
}
