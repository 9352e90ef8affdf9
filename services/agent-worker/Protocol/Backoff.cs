namespace Townhall.Worker.Protocol;

/// <summary>Pauses between repeats: doubling from a first one up to a longest one, with full jitter so that workers do not march in step.</summary>
/// <param name="random">What the jitter is drawn from.</param>
internal sealed class Backoff(TimeSpan first, TimeSpan longest, TimeProvider clock, Random random)
{
    private int _failures;

    public void Reset() => _failures = 0;

    public Task PauseAsync(CancellationToken cancellationToken)
    {
        var bound = Math.Min(longest.TotalMilliseconds, first.TotalMilliseconds * Math.Pow(2, Math.Min(_failures++, 16)));

        // Never zero: a dispatcher that refuses at once would otherwise be asked in a tight loop.
        var pause = bound * (0.1 + 0.9 * random.NextDouble());
        return Task.Delay(TimeSpan.FromMilliseconds(pause), clock, cancellationToken);
    }
}
