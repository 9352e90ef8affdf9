using System.Collections.Concurrent;
using Townhall.Contracts.Ids;
using Townhall.ServiceDefaults.Redis;

namespace Townhall.Api.Output;

/// <summary>Wakes whoever follows a task when the doorbell names it; otherwise after a bound, because rings may be lost.</summary>
internal sealed class OutputBell
{
    private readonly TimeProvider _clock;
    private readonly ConcurrentDictionary<string, TaskCompletionSource> _waiting = new(StringComparer.Ordinal);

    public OutputBell(Doorbell doorbell, TimeProvider clock)
    {
        _clock = clock;
        doorbell.Hear(Doorbell.Output, Heard);
    }

    /// <summary>A wait that ends at the next ring for this task. Take it before looking, so that no ring falls in between.</summary>
    public Task NextRing(TaskId id) =>
        _waiting.GetOrAdd(id.ToString(), static _ => new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

    /// <summary>Waits for <paramref name="ring"/>, at most <paramref name="bound"/>.</summary>
    public async Task WaitAsync(Task ring, TimeSpan bound, CancellationToken cancellationToken)
    {
        try
        {
            await ring.WaitAsync(bound, _clock, cancellationToken);
        }
        catch (TimeoutException)
        {
            // Nobody rang: the caller looks by itself.
        }
    }

    /// <summary>A follower of a task has left; the next one makes the wait anew.</summary>
    public void Forget(TaskId id) => _waiting.TryRemove(id.ToString(), out _);

    private void Heard(string name)
    {
        if (name == Doorbell.Everything)
        {
            foreach (var id in _waiting.Keys)
            {
                Heard(id);
            }

            return;
        }

        if (_waiting.TryRemove(name, out var ring))
        {
            ring.TrySetResult();
        }
    }
}
