namespace Townhall.Faults;

/// <summary>What a proxy does to the bytes of one direction. Every setting may be changed while connections are open.</summary>
public sealed class Direction
{
    private readonly Lock _gate = new();
    private TaskCompletionSource? _held;
    private long _cutAfter = long.MaxValue;
    private long _bytes;
    private long _dropped;
    private long _cuts;

    /// <summary>Added to every byte's way; later bytes are not slowed down by earlier ones.</summary>
    public TimeSpan Delay { get; set; }

    /// <summary>Up to so much more, drawn for each piece; the order of bytes stays.</summary>
    public TimeSpan Jitter { get; set; }

    /// <summary>Bytes a second, 0 for no bound.</summary>
    public int BytesPerSecond { get; set; }

    /// <summary>Largest piece passed on at once, in bytes.</summary>
    public int Slice { get; set; } = 64 * 1024;

    /// <summary>Reads and forgets: what was sent was sent, and never arrives.</summary>
    public bool Drop { get; set; }

    /// <summary>Bytes that were passed on.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    /// <summary>Bytes that were forgotten.</summary>
    public long Dropped => Interlocked.Read(ref _dropped);

    /// <summary>Connections that were cut because of <see cref="CutAfter"/>.</summary>
    public long Cuts => Interlocked.Read(ref _cuts);

    /// <summary>Whether bytes wait here, as behind a network that lost its way: nothing arrives and nobody is told.</summary>
    public bool Held
    {
        get => _held is not null;
        set
        {
            lock (_gate)
            {
                if (value)
                {
                    _held ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                }
                else
                {
                    _held?.TrySetResult();
                    _held = null;
                }
            }
        }
    }

    /// <summary>Resets the connection on which the n-th byte from now comes by, once.</summary>
    public void CutAfter(long bytes) => Interlocked.Exchange(ref _cutAfter, bytes);

    /// <summary>No faults any more.</summary>
    public void Heal()
    {
        Delay = Jitter = TimeSpan.Zero;
        BytesPerSecond = 0;
        Slice = 64 * 1024;
        Drop = false;
        Interlocked.Exchange(ref _cutAfter, long.MaxValue);
        Held = false;
    }

    internal Task PassageAsync(CancellationToken cancellationToken) =>
        _held is { } held ? held.Task.WaitAsync(cancellationToken) : Task.CompletedTask;

    internal void Forgot(int bytes) => Interlocked.Add(ref _dropped, bytes);

    /// <summary>Counts what is about to be passed on.</summary>
    /// <returns>How much of it may pass before the connection is cut; all of it when it is not.</returns>
    internal (int May, bool Cut) Passing(int bytes)
    {
        var left = Interlocked.Read(ref _cutAfter);
        if (left != long.MaxValue && (left = Interlocked.Add(ref _cutAfter, -bytes)) <= 0)
        {
            Interlocked.Exchange(ref _cutAfter, long.MaxValue);
            Interlocked.Increment(ref _cuts);
            return ((int)Math.Max(0, bytes + left), true);
        }

        Interlocked.Add(ref _bytes, bytes);
        return (bytes, false);
    }
}
