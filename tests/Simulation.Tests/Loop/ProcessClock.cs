namespace Townhall.Simulation.Loop;

/// <summary>The clock of one process: wrong by up to an hour, its monotonic part from an origin of its own and up to 1 % fast or slow.</summary>
internal sealed class ProcessClock : TimeProvider
{
    private static readonly DateTimeOffset Epoch = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);
    private readonly World _world;
    private readonly SimulatedProcess _owner;
    private readonly TimeSpan _skew;
    private readonly long _origin;
    private readonly double _rate;

    public ProcessClock(World world, SimulatedProcess owner)
    {
        (_world, _owner) = (world, owner);
        _skew = TimeSpan.FromSeconds((world.Random.NextDouble() * 7200) - 3600);
        _origin = world.Random.NextInt64(1, TimeSpan.TicksPerDay * 30);
        _rate = 0.99 + (world.Random.NextDouble() * 0.02);
    }

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    /// <summary>An instant of the database as a date.</summary>
    public static DateTime Date(long now) => Epoch.UtcDateTime.AddTicks(now);

    public override long GetTimestamp() => _origin + (long)(_world.Now * _rate);

    public override DateTimeOffset GetUtcNow() => Epoch.AddTicks(_world.Now) + _skew;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new ProcessTimer(this, () => callback(state));
        timer.Change(dueTime, period);
        return timer;
    }

    private sealed class ProcessTimer(ProcessClock clock, Action fire) : ITimer
    {
        // Disposed from the thread pool at times; a timer that fires just before that does nothing either.
        private volatile bool _disposed;
        private int _armed;
        private TimeSpan _period;

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            _period = period;
            var armed = ++_armed;
            if (dueTime != Timeout.InfiniteTimeSpan)
            {
                // One tick more: a process must never see its timer fire before its own clock says so.
                var delay = TimeSpan.FromTicks((long)(dueTime.Ticks / clock._rate) + 1);
                clock._world.Quietly(delay, () => Due(armed), clock._owner);
            }

            return true;
        }

        public void Dispose() => _disposed = true;

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }

        private void Due(int armed)
        {
            if (_disposed || armed != _armed)
            {
                return;
            }

            if (_period > TimeSpan.Zero)
            {
                Change(_period, _period);
            }

            fire();
        }
    }
}
