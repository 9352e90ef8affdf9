using System.Diagnostics;

namespace Townhall.Simulation.Loop;

/// <summary>Where the product's continuations go: a queue that the simulation empties after each event, on its own thread.</summary>
/// <remarks>
/// A few framework pieces (<c>Task.WaitAsync</c> over a source with asynchronous continuations) pass through the thread
/// pool before they come here. Who caused one waits for it (<see cref="WaitFor"/>), so the pool decides nothing.
/// </remarks>
internal sealed class SimulationContext : SynchronizationContext
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private readonly Lock _gate = new();
    private readonly Queue<(SendOrPostCallback Callback, object? State)> _posted = new();
    private readonly AutoResetEvent _arrived = new(false);

    public override SynchronizationContext CreateCopy() => this;

    public override void Post(SendOrPostCallback d, object? state)
    {
        lock (_gate)
        {
            _posted.Enqueue((d, state));
        }

        _arrived.Set();
    }

    public override void Send(SendOrPostCallback d, object? state) => throw new NotSupportedException("Nothing here may block.");

    /// <summary>Runs what was posted, and what that posts, until nothing is left.</summary>
    /// <returns>How many callbacks ran.</returns>
    public int Drain()
    {
        var ran = 0;
        while (true)
        {
            (SendOrPostCallback Callback, object? State) next;
            lock (_gate)
            {
                if (!_posted.TryDequeue(out next))
                {
                    return ran;
                }
            }

            next.Callback(next.State);
            ran++;
        }
    }

    /// <summary>Runs posted callbacks until something that is certain to come has come.</summary>
    public void WaitFor(Func<bool> fact)
    {
        var since = Stopwatch.GetTimestamp();
        var spin = new SpinWait();
        while (!fact())
        {
            if (Drain() > 0)
            {
                continue;
            }

            if (spin.Count < 30)
            {
                spin.SpinOnce(sleep1Threshold: -1);
            }
            else if (!_arrived.WaitOne(Patience) || Stopwatch.GetElapsedTime(since) > Patience)
            {
                throw new TimeoutException("A continuation that was certain to come did not come.");
            }
        }
    }
}
