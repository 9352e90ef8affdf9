using System.Diagnostics;
using System.Globalization;
using Townhall.Contracts.Traces;
using Townhall.Contracts.Workers;
using Townhall.Worker.Processes;
using Townhall.Worker.Sandbox;

namespace Townhall.Worker.Leasing;

/// <summary>Names one attempt within this process.</summary>
internal readonly record struct AttemptKey(Guid TaskId, int Epoch)
{
    public static AttemptKey Of(Lease lease) => new(lease.TaskId, lease.Epoch);

    public static AttemptKey Of(LeaseRef lease) => new(lease.TaskId, lease.Epoch);
}

/// <summary>One leased attempt: how long we may run it, whether it is frozen, and whether it was told to end.</summary>
/// <remarks>
/// Time here is the monotonic clock, counted from the moment a request was *sent*: the dispatcher granted the lease after
/// that, so our end always comes before the one in the database, whatever the clocks and the network do.
/// </remarks>
internal sealed class Attempt : IDisposable
{
    private static readonly TimeSpan LongestMargin = TimeSpan.FromSeconds(5);

    private readonly TimeProvider _clock;
    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _ending = new();
    private readonly ITimer? _fenceTimer;
    private readonly Activity? _trace;
    private ProcessTree? _tree;
    private Action<TimeSpan, bool>? _watch;
    private TaskCompletionSource? _thawed;
    private long _anchor;
    private TimeSpan _length;
    private bool _fenced;
    private bool _paused;
    private bool _disposed;

    /// <param name="sentAt">Timestamp of the request that was answered with this lease.</param>
    public Attempt(Lease lease, long sentAt, TimeProvider clock, bool hasProcess)
    {
        Lease = lease;
        Reference = new LeaseRef(lease.TaskId, lease.Epoch, lease.Token);
        _clock = clock;
        _anchor = sentAt;
        _length = TimeSpan.FromSeconds(lease.LeaseSecs);
        StartedAt = clock.GetTimestamp();
        _trace = TaskTraces.Begin("task.attempt", ActivityKind.Consumer, lease.Traceparent, lease.TaskId, lease.Epoch);
        if (hasProcess)
        {
            // Each attempt guards its own fence, so that nothing else has to be alive for it.
            _fenceTimer = clock.CreateTimer(static attempt => ((Attempt)attempt!).CheckFence(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            CheckFence();
        }
    }

    public Lease Lease { get; }

    /// <summary>Under which its commands may trace on: its own span, or the lease's where nothing is collected here.</summary>
    public string? Traceparent => _trace?.Id ?? Lease.Traceparent;

    public LeaseRef Reference { get; }

    public AttemptKey Key => AttemptKey.Of(Reference);

    public long StartedAt { get; }

    public EndReason Reason { get; private set; }

    /// <summary>True when it has ended and only its result is still on its way.</summary>
    public bool IsFinished { get; private set; }

    /// <summary>Cancelled when the attempt is told to end; <see cref="Reason"/> says why.</summary>
    public CancellationToken Ending => _ending.Token;

    /// <summary>Where it works, while it does.</summary>
    public AttemptFolders? Folders { get; private set; }

    /// <summary>Notes it was given already: one may come twice. Used by the work loop's turns only.</summary>
    public HashSet<long> Notes { get; } = [];

    public TimeSpan Ran => _clock.GetElapsedTime(StartedAt);

    public bool IsFrozen
    {
        get
        {
            lock (_gate)
            {
                return _fenced || _paused;
            }
        }
    }

    /// <summary>How long until this lease should be renewed: a third of it has gone by then.</summary>
    public TimeSpan UntilRenewal
    {
        get
        {
            lock (_gate)
            {
                return _length / 3 - _clock.GetElapsedTime(_anchor);
            }
        }
    }

    /// <summary>The lease was renewed by a request sent at <paramref name="sentAt"/>; what was frozen for want of it goes on.</summary>
    public void Renewed(long sentAt, TimeSpan length)
    {
        lock (_gate)
        {
            if (sentAt < _anchor)
            {
                return;
            }

            _anchor = sentAt;
            _length = length;
        }

        CheckFence();
    }

    /// <summary>An operator pauses the agent, or lets it go on.</summary>
    public void Pause(bool paused) => Change(() => _paused = paused);

    /// <summary>Makes the processes and folders of the attempt known; the processes are frozen at once if it is.</summary>
    /// <param name="watch">Is told how far off the fence is and whether the attempt is paused, now and whenever that changes:
    /// somebody who freezes it also when this process cannot.</param>
    public void Attach(ProcessTree tree, AttemptFolders folders, Action<TimeSpan, bool>? watch = null) => Change(() =>
    {
        _tree = tree;
        Folders = folders;
        _watch = watch;
    });

    /// <summary>Tells the attempt to end. It may hear it several times; only a harder reason replaces an earlier one.</summary>
    public void End(EndReason reason)
    {
        lock (_gate)
        {
            if (_disposed || IsFinished || reason <= Reason)
            {
                return;
            }

            Reason = reason;
        }

        _ending.Cancel();
    }

    /// <summary>It has ended by itself; nothing is left to freeze or end.</summary>
    public void Finish()
    {
        lock (_gate)
        {
            IsFinished = true;
            _tree = null;
            _watch = null;
            Folders = null;
        }
    }

    /// <summary>The result as it is reported: with the trace under which its settlement goes on. Ends the attempt's own span.</summary>
    public AttemptResult Told(AttemptResult result)
    {
        _trace.End(result.Outcome);
        return result with { Traceparent = Traceparent };
    }

    /// <summary>Waits while the attempt is frozen.</summary>
    /// <exception cref="OperationCanceledException">It was told to end.</exception>
    public Task MayRunAsync()
    {
        lock (_gate)
        {
            return _fenced || _paused ? (_thawed ??= new(TaskCreationOptions.RunContinuationsAsynchronously)).Task.WaitAsync(Ending) : Task.CompletedTask;
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            _tree = null;
            _watch = null;
        }

        _fenceTimer?.Dispose();
        _ending.Dispose();
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Lease.TaskId} attempt {Lease.Epoch}");

    /// <summary>Freezes when the fence has come, thaws when it lies ahead again.</summary>
    private void CheckFence() => Change(() =>
    {
        var left = UntilFence();
        _fenced = left <= TimeSpan.Zero;
        _fenceTimer?.Change(_fenced ? Timeout.InfiniteTimeSpan : left, Timeout.InfiniteTimeSpan);
    });

    private TimeSpan UntilFence()
    {
        var margin = _length / 3 < LongestMargin ? _length / 3 : LongestMargin;
        return _length - margin - _clock.GetElapsedTime(_anchor);
    }

    // Freezing and thawing happen under the gate: decided in one order, they must also happen in it.
    private void Change(Action change)
    {
        lock (_gate)
        {
            if (_disposed)
            {
                return;
            }

            var (treeBefore, frozenBefore) = (_tree, _fenced || _paused);
            change();
            var frozen = _fenced || _paused;
            // Told before the tree goes on: an older word could freeze it again.
            _watch?.Invoke(UntilFence(), _paused);
            if (frozen && (!frozenBefore || treeBefore != _tree))
            {
                _tree?.Freeze();
            }
            else if (!frozen && frozenBefore)
            {
                _tree?.Thaw();
                _thawed?.TrySetResult();
                _thawed = null;
            }
        }
    }
}
