using Townhall.ServiceDefaults.Redis;

namespace Townhall.Dispatcher.Control;

/// <summary>Wakes open directive calls when somebody decided something about running work.</summary>
internal sealed class ControlBell
{
    private TaskCompletionSource _next = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public ControlBell(Doorbell doorbell) => doorbell.Hear(Doorbell.Control, _ => Ring());

    /// <summary>Ends at the next ring. Take it before looking, so that no ring falls in between.</summary>
    public Task NextRing() => Volatile.Read(ref _next).Task;

    private void Ring() =>
        Interlocked.Exchange(ref _next, new(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();
}
