using Townhall.Ledger;
using Townhall.Notifier.Tail;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Notifier.Events;

/// <param name="Frames">Events that the listener wants.</param>
/// <param name="Reached">The position behind which nothing was looked at.</param>
/// <param name="Resumes">Where the ledger goes on when entries behind the asked position are no longer online; otherwise null.</param>
internal sealed record EventPage(IReadOnlyList<EventFrame> Frames, long Reached, long? Resumes);

/// <summary>Reads the past for listeners that the ring does not reach back to, a few at a time.</summary>
internal sealed class EventPages(LedgerReader ledger, TownSettings town) : IDisposable
{
    private const int PageMost = 500;

    /// <summary>Entries that one filtered page looks at. Without an index for the filter this bounds the query.</summary>
    private const int SpanMost = 50_000;

    // A thousand listeners that come back at once must not take every connection.
    private readonly SemaphoreSlim _readers = new(8, 8);

    /// <exception cref="Npgsql.NpgsqlException">The database failed.</exception>
    public Task<long> HeadAsync(CancellationToken cancellationToken) => ledger.HeadAsync(town.Name, cancellationToken);

    /// <summary>The next page behind <paramref name="after"/>.</summary>
    /// <exception cref="Npgsql.NpgsqlException">The database failed.</exception>
    public async Task<EventPage> ReadAsync(long after, LedgerFilter filter, CancellationToken cancellationToken)
    {
        await _readers.WaitAsync(cancellationToken);
        try
        {
            if (filter == LedgerFilter.None)
            {
                var all = await ledger.AfterAsync(town.Name, after, PageMost, cancellationToken);
                return all.Count > 0 && all[0].Seq > after + 1
                    ? new EventPage([], after, all[0].Seq)
                    : new EventPage([.. all.Select(EventFrame.Of)], all.Count > 0 ? all[^1].Seq : after, null);
            }

            var oldest = await ledger.OldestAsync(town.Name, cancellationToken);
            if (oldest > after + 1)
            {
                return new EventPage([], after, oldest);
            }

            // The head first: everything up to it is visible to the statement that follows.
            var head = await ledger.HeadAsync(town.Name, cancellationToken);
            var upTo = filter.TaskId is null ? Math.Min(head, after + SpanMost) : head;
            var some = await ledger.BetweenAsync(town.Name, after, upTo, filter, PageMost, cancellationToken);
            return new EventPage(
                [.. some.Select(EventFrame.Of)], some.Count == PageMost ? some[^1].Seq : Math.Max(after, upTo), null);
        }
        finally
        {
            _readers.Release();
        }
    }

    public void Dispose() => _readers.Dispose();
}
