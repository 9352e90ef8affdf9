using Townhall.Contracts.Workers;

namespace Townhall.Worker.Output;

/// <summary>What one attempt printed and the dispatcher has not confirmed yet; at most 1 MiB, in order.</summary>
/// <remarks>
/// A full buffer first slows the command down, since most are full for a moment only. Without progress for two seconds
/// it drops and counts instead: a dispatcher that is away must not stop work that has a lease.
/// </remarks>
internal sealed class OutputBuffer(LeaseRef lease, long limitBytes, Action changed)
{
    public const int Capacity = 1024 * 1024;
    private const int PatienceMs = 2000;

    private readonly object _gate = new();
    private byte[] _bytes = new byte[16 * 1024];
    private int _count;
    private long _confirmed;
    private bool _congested;
    private bool _closed;
    private TaskCompletionSource? _empty;

    public LeaseRef Lease { get; } = lease;

    /// <summary>Bytes printed so far, dropped ones included.</summary>
    public long Printed { get; private set; }

    /// <summary>Bytes that were dropped: beyond the limit, or while nobody took them.</summary>
    public long Dropped { get; private set; }

    public int Waiting
    {
        get
        {
            lock (_gate)
            {
                return _count;
            }
        }
    }

    /// <summary>True when somebody waits for the buffer to be empty.</summary>
    public bool Flushing
    {
        get
        {
            lock (_gate)
            {
                return _empty is not null && _count > 0;
            }
        }
    }

    /// <summary>Takes what was printed; blocks the calling thread while the buffer is full and moving.</summary>
    public void Append(ReadOnlySpan<byte> printed)
    {
        lock (_gate)
        {
            Printed += printed.Length;
            while (!printed.IsEmpty)
            {
                var allowed = (int)Math.Min(printed.Length, Math.Max(0, limitBytes - _confirmed - _count));
                var room = Math.Min(allowed, Capacity - _count);
                if (allowed == 0 || _closed || (room == 0 && (_congested || !WaitForProgress())))
                {
                    _congested |= room == 0 && allowed > 0;
                    Dropped += printed.Length;
                    break;
                }

                Store(printed[..room]);
                printed = printed[room..];
            }
        }

        changed();
    }

    /// <summary>The next chunk to send, or null when there is nothing to say.</summary>
    public OutputChunk? Next(int most)
    {
        lock (_gate)
        {
            return _count == 0 ? null : new OutputChunk(Lease, _confirmed, Dropped, _bytes.AsSpan(0, Math.Min(most, _count)).ToArray());
        }
    }

    /// <summary>Everything before <paramref name="offset"/> is stored.</summary>
    public void Confirm(long offset)
    {
        lock (_gate)
        {
            // An offset before ours would ask for bytes that are gone; the dispatcher said once that it has them.
            var taken = (int)Math.Clamp(offset - _confirmed, 0, _count);
            _confirmed += taken;
            _count -= taken;
            _bytes.AsSpan(taken, _count).CopyTo(_bytes);
            _congested &= _count > Capacity / 2;
            Moved();
        }
    }

    /// <summary>Nobody wants the rest.</summary>
    public void Close()
    {
        lock (_gate)
        {
            _closed = true;
            Dropped += _count;
            _count = 0;
            Moved();
        }
    }

    /// <summary>Ends when everything printed so far is stored or given up.</summary>
    public Task EmptyAsync()
    {
        Task waiting;
        lock (_gate)
        {
            if (_count == 0)
            {
                return Task.CompletedTask;
            }

            waiting = (_empty ??= new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }

        changed();
        return waiting;
    }

    private void Moved()
    {
        Monitor.PulseAll(_gate);
        if (_count == 0)
        {
            _empty?.TrySetResult();
            _empty = null;
        }
    }

    private bool WaitForProgress()
    {
        changed();
        return Monitor.Wait(_gate, PatienceMs);
    }

    private void Store(ReadOnlySpan<byte> printed)
    {
        if (_count + printed.Length > _bytes.Length)
        {
            Array.Resize(ref _bytes, Math.Min(Capacity, Math.Max(_count + printed.Length, _bytes.Length * 2)));
        }

        printed.CopyTo(_bytes.AsSpan(_count));
        _count += printed.Length;
    }
}
