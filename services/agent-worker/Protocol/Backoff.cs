namespace Townhall.Worker.Protocol;

/// <summary>Pauses between repeats: doubling from a first one up to a longest one, with full jitter so that workers do not march in step.</summary>
internal sealed class Backoff(TimeSpan first, TimeSpan longest, TimeProvider clock)
{
    private int _failures;

    public void Reset() => _failures = 0;

    public Task PauseAsync(CancellationToken cancellationToken)
    {
        var bound = Math.Min(longest.TotalMilliseconds, first.TotalMilliseconds * Math.Pow(2, Math.Min(_failures++, 16)));

        // Never zero: a dispatcher that refuses at once would otherwise be asked in a tight loop.
        var pause = bound * (0.1 + 0.9 * Random.Shared.NextDouble());
        return Task.Delay(TimeSpan.FromMilliseconds(pause), clock, cancellationToken);
    }
}
