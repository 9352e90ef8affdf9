namespace Townhall.Notifier.Tail;

/// <summary>How the ring stands to a listener's position.</summary>
internal enum RingAnswer
{
    /// <summary>There are events behind the position.</summary>
    More,

    /// <summary>There is nothing new.</summary>
    Nothing,

    /// <summary>The ring does not reach back to the position: read the ledger.</summary>
    Behind,
}

/// <summary>The last events, once for all listeners. Each listener keeps a position and nothing else, so a slow one costs no memory here.</summary>
internal sealed class EventRing
{
    /// <summary>Events kept at most; about 4 MiB of ordinary ones.</summary>
    public const int EventsMost = 4096;

    /// <summary>Bytes kept at most, for extraordinary ones.</summary>
    public const long BytesMost = 8 * 1024 * 1024;
    private readonly Lock _gate = new();
    private readonly Queue<EventFrame> _frames = new();
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private EventFrame[]? _copy;
    private long _bytes;
    private long? _last;

    /// <summary>The position of the newest event here, or null before the ledger was first read.</summary>
    public long? Last
    {
        get
        {
            lock (_gate)
            {
                return _last;
            }
        }
    }

    /// <summary>Completes with the next change. Take it before looking, or a change in between is slept through.</summary>
    public Task Changed
    {
        get
        {
            lock (_gate)
            {
                return _changed.Task;
            }
        }
    }

    /// <summary>Forgets all events and goes on behind <paramref name="position"/>.</summary>
    public void Begin(long position)
    {
        TaskCompletionSource wake;
        lock (_gate)
        {
            _frames.Clear();
            _bytes = 0;
            _last = position;
            wake = Renew();
        }

        wake.SetResult();
    }

    /// <summary>Appends events that follow on the last one, and wakes everybody.</summary>
    public void Append(IReadOnlyList<EventFrame> frames)
    {
        TaskCompletionSource wake;
        lock (_gate)
        {
            foreach (var frame in frames)
            {
                _frames.Enqueue(frame);
                _bytes += frame.Bytes.Length;
                _last = frame.Seq;
            }

            while (_frames.Count > EventsMost || (_bytes > BytesMost && _frames.Count > 1))
            {
                _bytes -= _frames.Dequeue().Bytes.Length;
            }

            wake = Renew();
        }

        wake.SetResult();
    }

    /// <summary>Events behind <paramref name="position"/>, oldest first, at most <paramref name="most"/>.</summary>
    public (RingAnswer Answer, ArraySegment<EventFrame> Frames) After(long position, int most)
    {
        EventFrame[] frames;
        lock (_gate)
        {
            if (_last is not { } last || position >= last)
            {
                return (RingAnswer.Nothing, []);
            }

            // One copy serves every listener until the next append.
            frames = _copy ??= [.. _frames];
        }

        if (frames.Length == 0 || frames[0].Seq > position + 1)
        {
            return (RingAnswer.Behind, []);
        }

        // Positions have no gaps, so the place is computed.
        var start = (int)(position + 1 - frames[0].Seq);
        return (RingAnswer.More, new ArraySegment<EventFrame>(frames, start, Math.Min(most, frames.Length - start)));
    }

    private TaskCompletionSource Renew()
    {
        _copy = null;
        var wake = _changed;
        _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        return wake;
    }
}
