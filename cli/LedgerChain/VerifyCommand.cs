using System.CommandLine;
using System.Runtime.CompilerServices;
using Spectre.Console;
using Townhall.Cli.Invoking;
using Townhall.Cli.Screens;
using Townhall.Cli.Town;
using Townhall.Ledger;

namespace Townhall.Cli.LedgerChain;

/// <summary>What a walk over the chain found, as <c>--json</c> shows it.</summary>
/// <param name="Checked">Entries that are sound, from the first on.</param>
/// <param name="FirstBad">The first that is not, or null.</param>
internal sealed record VerifiedLedger(string Town, bool Sound, long Checked, HeadRow Head, long? FirstBad, string? Why);

/// <summary><c>tt ledger verify</c>: recomputes the chain here, from its first entry, and names the first bad one.</summary>
internal static class VerifyCommand
{
    private const int PageSize = 1000;

    public static Command Create(GlobalOptions globals) =>
        globals.Command("verify", "Recompute the chain from its first entry; the first bad one ends with exit code 1", [], RunAsync);

    private static async Task<int> RunAsync(Invocation invocation, CancellationToken cancellationToken)
    {
        var first = await invocation.Town.LedgerAsync(0, PageSize, cancellationToken);

        // The head as it stands now; what is sealed while we walk belongs to the next walk.
        var head = first.Head;
        var verdict = await LedgerVerifier.VerifyAsync(
            EntriesAsync(invocation, first, cancellationToken), (head.Seq, Bytes(head.Hash)), cancellationToken);
        var verified = new VerifiedLedger(first.Town, verdict.FirstBad is null, verdict.Checked, head, verdict.FirstBad, verdict.Why);
        if (invocation.Json)
        {
            invocation.Screen.Json(verified, TownJson.Readable.VerifiedLedger);
        }
        else if (verified.Sound)
        {
            invocation.Screen.Answers.MarkupLine(
                $"[green]✓[/] {Looks.Number(verified.Checked)} entries of [bold]{Looks.Text(verified.Town)}[/] are as they were sealed");
            invocation.Screen.Answers.MarkupLine($"[grey]  head {head.Seq}  {Markup.Escape(Printable.Line(head.Hash))}[/]");
        }
        else
        {
            invocation.Screen.Notice($"ledger_broken: {verified.Why} The first bad entry is {verified.FirstBad}; {verified.Checked} before it are sound.");
        }

        return verified.Sound ? ExitCodes.Ok : ExitCodes.Failed;
    }

    private static async IAsyncEnumerable<LedgerEntry> EntriesAsync(
        Invocation invocation, LedgerPage page, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var last = page.Head.Seq;
        while (true)
        {
            foreach (var entry in page.Entries)
            {
                if (entry.Seq > last)
                {
                    yield break;
                }

                yield return Entry(page.Town, entry);
            }

            // Never backwards: a page that promises the same again would keep us here for ever.
            if (page.NextAfter is not { } after || page.Entries.Length == 0 || after < page.Entries[^1].Seq)
            {
                yield break;
            }

            page = await invocation.Town.LedgerAsync(after, PageSize, cancellationToken);
        }
    }

    private static LedgerEntry Entry(string town, EntryRow row) => new(
        town, row.Seq, row.Id, row.At.ToUniversalTime(), row.Actor, row.Action, row.AgentId, row.AgentName, row.TaskId, row.Outcome,
        row.Detail, Bytes(row.PrevHash), Bytes(row.Hash));

    /// <summary>A hash that is none is a wrong hash, not a broken program: it must be named like any other.</summary>
    private static byte[] Bytes(string hex)
    {
        try
        {
            return Convert.FromHexString(hex);
        }
        catch (FormatException)
        {
            return [];
        }
    }
}
