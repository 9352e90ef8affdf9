using System.CommandLine;
using Spectre.Console;
using Townhall.Cli.Invoking;
using Townhall.Cli.Screens;
using Townhall.Contracts.Tasks;

namespace Townhall.Cli.Blobs;

/// <summary>What was read of a blob, as <c>--json</c> shows it.</summary>
/// <param name="File">Where it was written.</param>
internal sealed record SavedBlob(string Sha256, long Bytes, string File);

/// <summary><c>tt blob</c>: bytes a town keeps under their SHA-256, such as results that are too long for a document.</summary>
internal static class BlobCommands
{
    private static readonly Argument<string> Hash = new("SHA256") { Description = "Its name: 64 lower-case hex digits" };
    private static readonly Argument<string> Source = new("FILE") { Description = $"At most {TaskLimits.BlobBytes} bytes" };
    private static readonly Option<string?> FileOption = new("--file", "-o") { Description = "Where to write (default: standard output)", HelpName = "FILE" };

    public static Command Create(GlobalOptions globals) => GlobalOptions.Group(
        "blob", "Bytes under their SHA-256, such as long results",
        globals.Command(
            "get", "Read one", ["tt blob get 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824 -o result.txt"], [Hash, FileOption], GetAsync),
        globals.Answer(
            "put", "Keep a file's bytes; prints their name", ["tt blob put notes.md"], [Source],
            static async (invocation, cancellationToken) => await invocation.Town.StoreBlobAsync(
                await ReadAsync(Path.GetFullPath(invocation.Value(Source), invocation.World.CurrentFolder), cancellationToken), cancellationToken),
            static (invocation, stored) => invocation.Screen.Line(Printable.Line(stored.Sha256))));

    private static async Task<int> GetAsync(Invocation invocation, CancellationToken cancellationToken)
    {
        var hash = invocation.Value(Hash);
        if (invocation.Json && invocation.Value(FileOption) is null)
        {
            throw CommandFailure.Usage("--json goes with --file: bytes are no JSON.");
        }

        await using var blob = await invocation.Town.BlobAsync(hash, cancellationToken);
        if (invocation.Value(FileOption) is not { } file)
        {
            var buffer = new byte[16 * 1024];
            while (await blob.ReadAsync(buffer, cancellationToken) is > 0 and var read)
            {
                await invocation.Screen.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
            }

            return ExitCodes.Ok;
        }

        var saved = new SavedBlob(hash, await SaveAsync(blob, Path.GetFullPath(file, invocation.World.CurrentFolder), cancellationToken), file);
        if (invocation.Json)
        {
            invocation.Screen.Json(saved);
        }
        else
        {
            invocation.Screen.Answers.MarkupLine(Looks.Done($"{Looks.Number(saved.Bytes)} bytes in {Looks.Text(file)}"));
        }

        return ExitCodes.Ok;
    }

    private static async Task<long> SaveAsync(Stream blob, string path, CancellationToken cancellationToken)
    {
        try
        {
            await using var file = new FileStream(path, FileMode.Create, FileAccess.Write);
            await blob.CopyToAsync(file, cancellationToken);
            return file.Length;
        }
        catch (UnauthorizedAccessException refused)
        {
            throw CommandFailure.Usage(refused.Message);
        }
    }

    /// <summary>Never more than a town takes: a larger file is refused before it is read.</summary>
    private static async Task<byte[]> ReadAsync(string path, CancellationToken cancellationToken)
    {
        try
        {
            await using var file = new FileStream(path, FileMode.Open, FileAccess.Read);
            if (file.Length > TaskLimits.BlobBytes)
            {
                throw CommandFailure.Usage($"{path} is larger than {TaskLimits.BlobBytes} bytes.");
            }

            using var bytes = new MemoryStream();
            await file.CopyToAsync(bytes, cancellationToken);
            return bytes.ToArray();
        }
        catch (Exception unreadable) when (unreadable is FileNotFoundException or DirectoryNotFoundException or UnauthorizedAccessException)
        {
            throw CommandFailure.Usage(unreadable.Message);
        }
    }
}
