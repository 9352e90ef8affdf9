using System.CommandLine;
using System.Text;
using Spectre.Console;
using Townhall.Cli.Invoking;
using Townhall.Cli.Screens;
using Townhall.Client;
using Townhall.Ledger.Checkpoints;

namespace Townhall.Cli.LedgerChain;

/// <summary>The first line of an exported ledger.</summary>
/// <param name="Format">Always <see cref="Current"/>.</param>
internal sealed record ExportHeader(string Format, string Town, LedgerHead Head)
{
    public const string Current = "townhall-ledger-1";
}

/// <summary>What was written, as <c>--json</c> shows it.</summary>
internal sealed record ExportedLedger(string Town, string File, long Entries, long Checkpoints, LedgerHead Head, string? KeyFile);

/// <summary><c>tt ledger export</c>: the whole chain and its checkpoints as lines of JSON, to be verified where no town is.</summary>
internal static class ExportCommand
{
    private const int PageSize = 5000;

    private static readonly Option<string> FileOption = new("--file", "-o") { Description = "Where to write; replaced when complete", Required = true, HelpName = "FILE" };
    private static readonly Option<string?> KeyOption = new("--key-file") { Description = "Where to write the town's public key; never replaced", HelpName = "PEM" };

    public static Command Create(GlobalOptions globals) => globals.Command(
        "export", "Write the chain and its signed checkpoints to a file that can be verified offline",
        ["tt ledger export --file oak.jsonl --key-file oak.pem"], [FileOption, KeyOption], RunAsync);

    private static async Task<int> RunAsync(Invocation invocation, CancellationToken cancellationToken)
    {
        var path = Path.GetFullPath(invocation.Value(FileOption)!, invocation.World.CurrentFolder);
        var keyPath = invocation.Value(KeyOption) is { } told ? Path.GetFullPath(told, invocation.World.CurrentFolder) : null;
        if (keyPath is not null)
        {
            await SaveKeyAsync(invocation, keyPath, cancellationToken);
        }

        var draft = path + ".part";
        try
        {
            var exported = await WriteAsync(invocation, draft, path, keyPath, cancellationToken);
            File.Move(draft, path, overwrite: true);
            if (invocation.Json)
            {
                invocation.Screen.Json(exported);
            }
            else
            {
                invocation.Screen.Answers.MarkupLine(
                    $"[green]✓[/] {Looks.Number(exported.Entries)} entries and {Looks.Number(exported.Checkpoints)} checkpoints of "
                    + $"[bold]{Looks.Text(exported.Town)}[/] in {Looks.Text(path)}");
            }

            return ExitCodes.Ok;
        }
        catch (UnauthorizedAccessException refused)
        {
            throw CommandFailure.Usage(refused.Message);
        }
        finally
        {
            File.Delete(draft);     // what was moved is not there any more
        }
    }

    private static async Task<ExportedLedger> WriteAsync(
        Invocation invocation, string draft, string path, string? keyPath, CancellationToken cancellationToken)
    {
        await using var file = new FileStream(draft, FileMode.Create, FileAccess.Write, FileShare.None, 1 << 20);
        await using var text = new StreamWriter(file, new UTF8Encoding(false), 1 << 16) { NewLine = "\n" };
        var page = await invocation.Town.LedgerAsync(0, PageSize, cancellationToken);
        var (town, head) = (page.Town, page.Head);
        await text.WriteLineAsync(JsonText.Of(new ExportHeader(ExportHeader.Current, town, head)));
        var entries = await WorkBar.WhileAsync(
            invocation.Screen, $"export {Looks.Number(head.Seq)} entries", head.Seq,
            seen => WriteEntriesAsync(invocation.Town, page, text, seen, cancellationToken));
        var checkpoints = 0L;
        await foreach (var checkpoint in CheckpointsAsync(invocation.Town, cancellationToken))
        {
            if (checkpoint.Seq <= head.Seq)
            {
                await text.WriteLineAsync(checkpoint.ToLine());
                checkpoints++;
            }
        }

        return new(town, path, entries, checkpoints, head, keyPath);
    }

    /// <returns>How many were written.</returns>
    private static async Task<long> WriteEntriesAsync(
        TownClient town, LedgerPage page, TextWriter text, Action<long> seen, CancellationToken cancellationToken)
    {
        var (head, entries) = (page.Head, 0L);
        while (true)
        {
            // What is sealed meanwhile belongs to the next export.
            foreach (var entry in page.Entries.TakeWhile(entry => entry.Seq <= head.Seq))
            {
                await text.WriteLineAsync(JsonText.Of(entry));
                entries++;
            }

            seen(entries);
            if (page.NextAfter is not { } after || page.Entries.Length == 0 || after < page.Entries[^1].Seq || page.Entries[^1].Seq >= head.Seq)
            {
                return entries;
            }

            page = await town.LedgerAsync(after, PageSize, cancellationToken);
        }
    }

    private static async IAsyncEnumerable<Checkpoint> CheckpointsAsync(
        TownClient town, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var after = 0L;
        while (true)
        {
            var page = await town.CheckpointsAsync(after, cancellationToken);
            foreach (var row in page.Checkpoints)
            {
                yield return new(row.Town, row.Seq, Hexadecimal.Bytes(row.Hash), row.At.ToUniversalTime(), row.KeyId, Hexadecimal.Base64(row.Signature));
            }

            if (page.NextAfter is not { } next || next <= after)
            {
                yield break;
            }

            after = next;
        }
    }

    /// <summary>The newest key. One that is there already is what is trusted: it is compared, never replaced.</summary>
    private static async Task SaveKeyAsync(Invocation invocation, string path, CancellationToken cancellationToken)
    {
        var keys = await invocation.Town.LedgerKeysAsync(cancellationToken);
        if (keys.Keys is not [.., var newest])
        {
            throw new CommandFailure(ExitCodes.Failed, "no_key", "This town signs no checkpoints: its dispatcher has neither TOWN_DATA nor TOWN_LEDGER_KEY_FILE.");
        }

        if (!File.Exists(path))
        {
            await File.WriteAllTextAsync(path, newest.PublicKey, cancellationToken);
            return;
        }

        using var trusted = KeyFiles.Read(path);
        if (!keys.Keys.Any(key => key.KeyId == trusted.Id))
        {
            throw new CommandFailure(ExitCodes.Conflict, "key_changed", $"{path} holds a key that this town does not know. Is it the same town? Nothing was written.");
        }
    }
}
