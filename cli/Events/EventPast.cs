using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Townhall.Cli.Invoking;
using Townhall.Client;

namespace Townhall.Cli.Events;

/// <summary>The last events, oldest first, as <c>--json</c> of <c>tt history</c> shows them.</summary>
/// <param name="Whole">False when older entries were not looked at any more.</param>
internal sealed record BatchOfEvents(IReadOnlyList<TownEvent> Events, int Count, bool Whole);

/// <summary>Reads the ledger's pages as events: the past lies ready, and needs no stream.</summary>
internal static class EventPast
{
    private const int PageSize = 1000;

    /// <summary>How far back is looked for events that match; a filter that finds little must not read a whole ledger.</summary>
    private const int EntriesMost = 50_000;

    /// <summary>Behind an entry up to where the chain stands now: a busy town would keep us for ever.</summary>
    public static async IAsyncEnumerable<LedgerRow> FromAsync(
        TownClient town, long after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        long? head = null;
        while (true)
        {
            var page = await town.LedgerAsync(after, PageSize, cancellationToken);
            head ??= page.Head.Seq;
            foreach (var entry in page.Entries)
            {
                if (entry.Seq > head)
                {
                    yield break;
                }

                yield return entry;
                after = entry.Seq;
            }

            if (page.Entries.Length == 0 || after >= head)
            {
                yield break;
            }
        }
    }

    /// <summary>The last <paramref name="count"/> entries that match, oldest first.</summary>
    public static async Task<BatchOfEvents> LastAsync(
        TownClient town, Func<LedgerRow, bool> matches, int count, CancellationToken cancellationToken)
    {
        var found = new List<LedgerRow>();
        var page = await town.LedgerAsync(0, 1, cancellationToken);
        var end = page.Head.Seq;
        var looked = 0L;
        while (end > 0 && found.Count < count && looked < EntriesMost)
        {
            var size = (int)Math.Min(PageSize, end);
            page = await town.LedgerAsync(end - size, size, cancellationToken);
            found.InsertRange(0, page.Entries.Where(entry => entry.Seq <= end && matches(entry)));
            (end, looked) = (end - size, looked + size);
        }

        var shown = found.TakeLast(count).Select(Event).ToArray();
        return new BatchOfEvents(shown, shown.Length, end <= 0 || shown.Length == count);
    }

    /// <summary>The position behind which the last <paramref name="count"/> entries are.</summary>
    public static async Task<long> BehindLastAsync(TownClient town, int count, CancellationToken cancellationToken) =>
        Math.Max(0, (await town.LedgerAsync(0, 1, cancellationToken)).Head.Seq - count);

    public static void Write(Invocation invocation, BatchOfEvents batch)
    {
        foreach (var happened in batch.Events)
        {
            EventLine.Write(invocation, happened);
        }

        if (!batch.Whole)
        {
            invocation.Screen.Notice($"Only the last {EntriesMost} entries were looked at.");
        }
    }

    public static TownEvent Event(LedgerRow entry) => new(
        entry.Seq, entry.Id.ToString(CultureInfo.InvariantCulture), entry.AgentId, entry.AgentName, entry.TaskId, entry.Actor, entry.Action,
        entry.At, Detail(entry.Detail), entry.Outcome, entry.PrevHash, entry.Hash);

    private static JsonElement Detail(string text)
    {
        try
        {
            return JsonElement.Parse(text);
        }
        catch (JsonException unexpected)
        {
            throw new TownAnswerException($"An entry's detail is no JSON: {unexpected.Message}", unexpected);
        }
    }
}
