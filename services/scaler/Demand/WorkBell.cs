using System.Threading.Channels;
using Townhall.ServiceDefaults.Redis;

namespace Townhall.Scaler.Demand;

/// <summary>Wakes whoever acts on demand: when the town rings for work, and when something happened here.</summary>
internal sealed class WorkBell
{
    // One ring waiting is enough: whoever wakes looks at everything.
    private readonly Channel<bool> _rung = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private long _rings;

    /// <summary>Grows with each ring, so that somebody who saw an older number knows that something may have changed.</summary>
    public long Rings => Volatile.Read(ref _rings);

    public void Ring()
    {
        Interlocked.Increment(ref _rings);
        _rung.Writer.TryWrite(true);
    }

    /// <summary>Waits for the next ring, at most <paramref name="most"/>. Takes one waiter at a time.</summary>
    /// <returns>False when nobody rang.</returns>
    public async Task<bool> WaitAsync(TimeSpan most, TimeProvider clock, CancellationToken cancellationToken)
    {
        using var late = new CancellationTokenSource(most, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, cancellationToken);
        try
        {
            return await _rung.Reader.ReadAsync(either.Token);
        }
        catch (OperationCanceledException) when (late.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            return false;
        }
    }
}

internal static class DemandRegistration
{
    public static void AddDemand(this IHostApplicationBuilder builder) =>
        builder.Services.AddSingleton<IDemandStore, DemandStore>().AddSingleton<WorkBell>();

    /// <summary>Connects the town's bell with ours; before the host starts.</summary>
    public static void ListenForWork(this WebApplication app)
    {
        var bell = app.Services.GetRequiredService<WorkBell>();
        app.Services.GetRequiredService<Doorbell>().Hear(Doorbell.Work, _ => bell.Ring());
    }
}
