using System.CommandLine;
using System.Runtime.CompilerServices;
using Spectre.Console;
using Townhall.Cli.Invoking;
using Townhall.Cli.Screens;
using Townhall.Client;
using Townhall.Ledger;
using Townhall.Ledger.Checkpoints;

namespace Townhall.Cli.LedgerChain;

/// <summary>What a walk over the chain found, as <c>--json</c> shows it.</summary>
/// <param name="Checked">Entries that are sound, from the first on.</param>
/// <param name="FirstBad">The first that is not, or null.</param>
/// <param name="Checkpoints">How many kept places were compared.</param>
internal sealed record VerifiedLedger(string Town, bool Sound, long Checked, LedgerHead Head, long? FirstBad, string? Why, long Checkpoints);

/// <summary><c>tt ledger verify</c>: recomputes the chain here, from its first entry, and names the first bad one.</summary>
internal static class VerifyCommand
{
    private const int PageSize = 1000;

    private static readonly Option<string?> FileOption = new("--file") { Description = "An exported ledger; no town is asked", HelpName = "FILE" };
    private static readonly Option<string[]> KeyOptions = new("--key") { Description = "A public key that may have signed checkpoints", HelpName = "PEM" };
    private static readonly Option<string?> KeptOption = new("--kept") { Description = "Checkpoints that were kept elsewhere", HelpName = "FILE" };

    public static Command Create(GlobalOptions globals) => globals.Command(
        "verify", "Recompute the chain from its first entry; the first bad one ends with exit code 1",
        ["tt ledger verify", "tt ledger verify --kept checkpoints --key oak.pem", "tt ledger verify --file oak.jsonl --key oak.pem"], [FileOption, KeyOptions, KeptOption], RunAsync);

    private static async Task<int> RunAsync(Invocation invocation, CancellationToken cancellationToken)
    {
        CheckpointPublicKey[] keys = [.. (invocation.Value(KeyOptions) ?? []).Select(path => KeyFiles.Read(Full(invocation, path)))];
        try
        {
            IReadOnlyList<Checkpoint> kept = invocation.Value(KeptOption) is { } keptFile ? KeyFiles.ReadKept(Full(invocation, keptFile)) : [];
            return Show(invocation, invocation.Value(FileOption) is { } file
                ? await OfflineAsync(invocation, Full(invocation, file), keys, kept, cancellationToken)
                : await OnlineAsync(invocation, keys, kept, cancellationToken));
        }
        finally
        {
            foreach (var key in keys)
            {
                key.Dispose();
            }
        }
    }

    private static async Task<VerifiedLedger> OnlineAsync(
        Invocation invocation, CheckpointPublicKey[] keys, IReadOnlyList<Checkpoint> kept, CancellationToken cancellationToken)
    {
        var first = await invocation.Town.LedgerAsync(0, PageSize, cancellationToken);
        if (KeyFiles.Fault(kept, first.Town, keys) is { } fault)
        {
            return new(first.Town, false, 0, first.Head, 1, fault, 0);
        }

        // The head as it stands now; what is sealed while we walk belongs to the next walk.
        var head = first.Head;
        var verdict = await WorkBar.WhileAsync(invocation.Screen, Says(head), head.Seq, seen => LedgerVerifier.VerifyAsync(
            EntriesAsync(invocation, first, seen, cancellationToken), (head.Seq, Hexadecimal.Bytes(head.Hash)), KeyFiles.Places(kept), cancellationToken));
        return new(first.Town, verdict.FirstBad is null, verdict.Checked, head, verdict.FirstBad, verdict.Why, kept.Count);
    }

    private static async Task<VerifiedLedger> OfflineAsync(
        Invocation invocation, string file, CheckpointPublicKey[] keys, IReadOnlyList<Checkpoint> kept, CancellationToken cancellationToken)
    {
        var (header, brought) = ExportFile.Open(file);
        // What the file brings proves something only when it is signed by a key that somebody trusts.
        Checkpoint[] all = keys.Length > 0 ? [.. brought, .. kept] : [.. kept];
        var fault = KeyFiles.Fault(all, header.Town, keys)
            ?? (keys.Length > 0 && all.Length == 0 ? "The file brings no checkpoint that the key could have signed." : null);
        if (fault is not null)
        {
            return new(header.Town, false, 0, header.Head, 1, fault, 0);
        }

        var verdict = await WorkBar.WhileAsync(
            invocation.Screen, Says(header.Head), header.Head.Seq, seen => ExportFile.VerifyAsync(file, header, KeyFiles.Places(all), seen, cancellationToken));
        return new(header.Town, verdict.FirstBad is null, verdict.Checked, header.Head, verdict.FirstBad, verdict.Why, all.Length);
    }

    private static int Show(Invocation invocation, VerifiedLedger verified)
    {
        if (invocation.Json)
        {
            invocation.Screen.Json(verified);
        }
        else if (verified.Sound)
        {
            invocation.Screen.Answers.MarkupLine(
                $"[green]✓[/] {Looks.Number(verified.Checked)} entries of [bold]{Looks.Text(verified.Town)}[/] are as they were sealed");
            invocation.Screen.Answers.MarkupLine($"[grey]  head {verified.Head.Seq}  {Markup.Escape(Printable.Line(verified.Head.Hash))}[/]");
            invocation.Screen.Answers.MarkupLine(verified.Checkpoints > 0
                ? $"[grey]  {Looks.Number(verified.Checkpoints)} checkpoints hold[/]"
                : "[grey]  no checkpoint was compared: a rewrite with new hashes would not show (--key, --kept)[/]");
        }
        else
        {
            invocation.Screen.Notice($"ledger_broken: {verified.Why} The first bad entry is {verified.FirstBad}; {verified.Checked} before it are sound.");
        }

        return verified.Sound ? ExitCodes.Ok : ExitCodes.Failed;
    }

    private static string Says(LedgerHead head) => $"verify {Looks.Number(head.Seq)} entries";

    private static string Full(Invocation invocation, string path) => Path.GetFullPath(path, invocation.World.CurrentFolder);

    private static async IAsyncEnumerable<LedgerEntry> EntriesAsync(
        Invocation invocation, LedgerPage page, Action<long> seen, [EnumeratorCancellation] CancellationToken cancellationToken)
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

                yield return entry.ToEntry(page.Town);
            }

            seen(page.Entries is [.., { } newest] ? newest.Seq : 0);

            // Never backwards: a page that promises the same again would keep us here for ever.
            if (page.NextAfter is not { } after || page.Entries.Length == 0 || after < page.Entries[^1].Seq)
            {
                yield break;
            }

            page = await invocation.Town.LedgerAsync(after, PageSize, cancellationToken);
        }
    }
}
