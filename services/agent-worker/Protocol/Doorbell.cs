namespace Townhall.Worker.Protocol;

/// <summary>Wakes one waiter; rings while nobody waits are kept as one.</summary>
internal sealed class Doorbell(TimeProvider clock)
{
    private readonly Lock _gate = new();
    private TaskCompletionSource? _waiter;
    private bool _rung;

    public void Ring()
    {
        TaskCompletionSource? waiter;
        lock (_gate)
        {
            _rung = true;
            (waiter, _waiter) = (_waiter, null);
        }

        waiter?.TrySetResult();
    }

    /// <summary>Ends at the next ring, at once if there was one since the last wait, or after <paramref name="longest"/>.</summary>
    public async Task WaitAsync(TimeSpan? longest, CancellationToken cancellationToken)
    {
        Task ring;
        lock (_gate)
        {
            if (_rung)
            {
                _rung = false;
                return;
            }

            ring = (_waiter ??= new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }

        if (longest is { } bound)
        {
            // A time that is already over is a turn at once, and a time beyond what timers take is as good as for ever.
            bound = bound < TimeSpan.Zero ? TimeSpan.Zero : bound > TimeSpan.FromDays(1) ? TimeSpan.FromDays(1) : bound;
            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            await Task.WhenAny(ring, Task.Delay(bound, clock, either.Token));
            await either.CancelAsync();
            cancellationToken.ThrowIfCancellationRequested();
        }
        else
        {
            await ring.WaitAsync(cancellationToken);
        }

        lock (_gate)
        {
            _rung = false;
        }
    }
}
