using System.Threading.Channels;
using Npgsql;
using Townhall.Ledger;
using Townhall.ServiceDefaults.Redis;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Notifier.Tail;

/// <summary>Follows the ledger's end into the ring, one reader for all listeners; while nobody listens it reads nothing.</summary>
internal sealed partial class LedgerTail(
    LedgerReader ledger, EventRing ring, TownSettings town, TimeProvider clock, ILogger<LedgerTail> logger) : BackgroundService
{
    private const int PageMost = 1000;

    /// <summary>Events of the past that the ring begins with, so that those who come back soon find their place there.</summary>
    private const int RecentMost = 1000;
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ReadDeadline = TimeSpan.FromSeconds(3);

    // One ring waiting is enough: whoever wakes reads to the end.
    private readonly Channel<bool> _rung = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private int _listeners;
    private volatile bool _paused = true;
    private bool _away;

    /// <summary>Listeners now.</summary>
    public int Listeners => Volatile.Read(ref _listeners);

    /// <summary>The ledger has grown, or somebody has come.</summary>
    public void Ring() => _rung.Writer.TryWrite(true);

    public void Come()
    {
        if (Interlocked.Increment(ref _listeners) == 1)
        {
            _paused = true;
            Ring();
        }
    }

    public void Go() => Interlocked.Decrement(ref _listeners);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (true)
            {
                if (Listeners == 0)
                {
                    await _rung.Reader.ReadAsync(stoppingToken);
                    continue;
                }

                await TurnAsync(stoppingToken);
                await WaitAsync(stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping: listeners are told by their own streams.
        }
    }

    /// <summary>Reads what is new, page by page.</summary>
    internal async Task TurnAsync(CancellationToken stoppingToken)
    {
        using var deadline = new CancellationTokenSource(ReadDeadline, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, stoppingToken);
        try
        {
            var last = await PositionAsync(either.Token);
            int read;
            do
            {
                deadline.CancelAfter(ReadDeadline);
                var entries = await ledger.AfterAsync(town.Name, last, PageMost, either.Token);
                read = entries.Count;
                if (read > 0)
                {
                    if (entries[0].Seq != last + 1)
                    {
                        // Archived while nobody looked; each listener finds the gap from its own position.
                        ring.Begin(entries[0].Seq - 1);
                    }

                    ring.Append([.. entries.Select(EventFrame.Of)]);
                    last = entries[^1].Seq;
                }
            }
            while (read == PageMost);
            if (_away)
            {
                _away = false;
                LogBack();
            }
        }
        catch (Exception away) when (away is NpgsqlException or TimeoutException or OperationCanceledException
            && !stoppingToken.IsCancellationRequested)
        {
            // Streams stay open with keep-alives and go on where they are.
            if (!_away)
            {
                _away = true;
                LogAway(away.GetType().Name);
            }
        }
    }

    /// <summary>Where the ring ends; moved near the head first when it is far behind, because nobody listened for a while.</summary>
    private async Task<long> PositionAsync(CancellationToken cancellationToken)
    {
        if (ring.Last is { } last && !_paused)
        {
            return last;
        }

        _paused = false;
        var head = await ledger.HeadAsync(town.Name, cancellationToken);
        var begin = Math.Max(0, head - RecentMost);
        if (ring.Last is not { } known || known < begin || known > head)
        {
            ring.Begin(begin);
        }

        return ring.Last!.Value;
    }

    private async Task WaitAsync(CancellationToken stoppingToken)
    {
        using var late = new CancellationTokenSource(LookEvery, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, stoppingToken);
        try
        {
            await _rung.Reader.ReadAsync(either.Token);
        }
        catch (OperationCanceledException) when (late.IsCancellationRequested && !stoppingToken.IsCancellationRequested)
        {
            // Nobody rang; a ring may be lost, so look anyway.
        }
    }

    [LoggerMessage(LogLevel.Warning, "The ledger cannot be read ({Reason}); streams stay open and go on when it can")]
    private partial void LogAway(string reason);

    [LoggerMessage(LogLevel.Information, "The ledger can be read again")]
    private partial void LogBack();
}

internal static class TailRegistration
{
    public static void AddLedgerTail(this IHostApplicationBuilder builder)
    {
        builder.Services.AddSingleton<LedgerReader>().AddSingleton<EventRing>().AddSingleton<LedgerTail>();
        builder.Services.AddHostedService(static services => services.GetRequiredService<LedgerTail>());
    }

    /// <summary>Connects the sequencer's bell with the tail; before the host starts.</summary>
    public static void ListenToLedger(this WebApplication app)
    {
        var tail = app.Services.GetRequiredService<LedgerTail>();
        app.Services.GetRequiredService<Doorbell>().Hear(Doorbell.Ledger, _ => tail.Ring());
    }
}
