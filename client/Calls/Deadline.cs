namespace Townhall.Client.Calls;

/// <summary>A token that ends with its caller's, or after a bound of the given clock, and says which of the two it was.</summary>
internal sealed class Deadline : IDisposable
{
    private readonly TimeProvider _clock;
    private readonly TimeSpan _bound;
    private readonly long _began;
    private readonly CancellationToken _caller;
    private readonly CancellationTokenSource _late;
    private readonly CancellationTokenSource _either;

    public Deadline(TimeSpan bound, TimeProvider clock, CancellationToken caller)
    {
        (_bound, _clock, _caller, _began) = (bound, clock, caller, clock.GetTimestamp());
        _late = new CancellationTokenSource(bound, clock);
        _either = CancellationTokenSource.CreateLinkedTokenSource(caller, _late.Token);
    }

    public CancellationToken Token => _either.Token;

    /// <summary>True when the bound ended it; a caller who gave up is no time-out.</summary>
    public bool Passed => _late.IsCancellationRequested && !_caller.IsCancellationRequested;

    /// <summary>Until the bound, as it was given at first.</summary>
    public TimeSpan Left => _bound - _clock.GetElapsedTime(_began);

    /// <summary>Begins again, with the whole bound.</summary>
    public void Extend(TimeSpan bound) => _late.CancelAfter(bound);

    public void Dispose()
    {
        _either.Dispose();
        _late.Dispose();
    }
}
