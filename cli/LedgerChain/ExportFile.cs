using System.Text;
using System.Text.Json;
using Townhall.Cli.Invoking;
using Townhall.Cli.Screens;
using Townhall.Ledger;
using Townhall.Ledger.Checkpoints;

namespace Townhall.Cli.LedgerChain;

/// <summary>Reads an exported ledger in blocks, on all cores, and walks over it in order.</summary>
internal static class ExportFile
{
    private const int BlockBytes = 4 * 1024 * 1024;

    /// <summary>A longer line is none of ours: details end at 1 MiB.</summary>
    private const int LineBytesMost = 16 * 1024 * 1024;

    private static readonly byte[] CheckpointBegins = "{\"town\":"u8.ToArray();

    /// <summary>What the file claims, before anything is checked: its town and head, and the checkpoints it brings.</summary>
    /// <exception cref="CommandFailure">It is no export, or cannot be read.</exception>
    public static (ExportHeader Header, IReadOnlyList<Checkpoint> Checkpoints) Open(string path)
    {
        try
        {
            using var lines = new StreamReader(path, new UTF8Encoding(false, throwOnInvalidBytes: true));
            var header = lines.ReadLine() is { } first ? JsonSerializer.Deserialize(first, CliJson.Default.ExportHeader) : null;
            if (header is not { Format: ExportHeader.Current })
            {
                throw CommandFailure.Usage($"{path} is no exported ledger: its first line must say format {ExportHeader.Current}.");
            }

            return (header, Tail(path));
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException or JsonException
            or DecoderFallbackException or InvalidDataException)
        {
            throw CommandFailure.Usage($"{path} is no exported ledger: {unreadable.Message}");
        }
    }

    /// <summary>Checks every entry, and the kept places and the head on the way.</summary>
    /// <param name="seen">Told how many lines were checked, block by block.</param>
    /// <exception cref="IOException">The file cannot be read to its end.</exception>
    public static async Task<LedgerVerdict> VerifyAsync(
        string path, ExportHeader header, IEnumerable<ChainPlace> kept, Action<long> seen, CancellationToken cancellationToken)
    {
        var walk = new LedgerWalk(kept);
        await using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1, FileOptions.SequentialScan | FileOptions.Asynchronous);
        var buffer = new byte[BlockBytes];
        var (held, number, ended) = (0, 0L, false);
        while (!ended)
        {
            if (held == buffer.Length)
            {
                if (held >= LineBytesMost)
                {
                    throw CommandFailure.Usage($"{path} is no exported ledger: line {number + 1} is longer than {LineBytesMost} bytes.");
                }

                Array.Resize(ref buffer, buffer.Length * 2);
            }

            var read = await file.ReadAsync(buffer.AsMemory(held), cancellationToken);
            held += read;
            ended = read == 0;
            // Only whole lines; the last one may lack its end.
            var whole = ended ? held : buffer.AsSpan(0, held).LastIndexOf((byte)'\n') + 1;
            if (Walk(walk, header.Town, Lines(buffer, whole), buffer, ref number) is { } bad)
            {
                return bad;
            }

            seen(number);
            buffer.AsSpan(whole, held - whole).CopyTo(buffer);
            held -= whole;
        }

        return walk.End((header.Head.Seq, Hexadecimal.Bytes(header.Head.Hash)));
    }

    private static LedgerVerdict? Walk(LedgerWalk walk, string town, List<Range> lines, byte[] buffer, ref long number)
    {
        var entries = new (LedgerEntry? Entry, byte[] Computed, bool Passed)[lines.Count];
        var before = number;
        // Reading and hashing is nearly all of the work, and no line needs another.
        Parallel.For(0, lines.Count, i =>
        {
            var line = buffer.AsSpan(lines[i]);
            // The header was read; checkpoints were collected.
            if ((before == 0 && i == 0) || line.StartsWith(CheckpointBegins) || line.IsEmpty)
            {
                entries[i] = (null, [], true);
                return;
            }

            var entry = Parse(town, line);
            entries[i] = (entry, entry is null ? [] : LedgerHash.Compute(entry), false);
        });
        foreach (var (entry, computed, passed) in entries)
        {
            number++;
            if (passed)
            {
                continue;
            }

            if ((entry is null ? walk.Unreadable($"Line {number} is no entry.") : walk.Next(entry.Seq, entry.PrevHash, entry.Hash, computed)) is { } bad)
            {
                return bad;
            }
        }

        return null;
    }

    private static LedgerEntry? Parse(string town, ReadOnlySpan<byte> line)
    {
        try
        {
            return JsonSerializer.Deserialize(line, CliJson.Default.LedgerRow)?.ToEntry(town);
        }
        catch (Exception other) when (other is JsonException or InvalidOperationException or NotSupportedException or FormatException)
        {
            return null;
        }
    }

    private static List<Range> Lines(byte[] buffer, int length)
    {
        var lines = new List<Range>(8192);
        for (var from = 0; from < length;)
        {
            var end = buffer.AsSpan(from, length - from).IndexOf((byte)'\n');
            var to = end < 0 ? length : from + end;
            lines.Add(from..to);
            from = to + 1;
        }

        return lines;
    }

    /// <summary>The checkpoints stand behind the entries: only as much of the end is read as holds them.</summary>
    private static List<Checkpoint> Tail(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 20, FileOptions.SequentialScan);
        for (var most = 1L << 20; ; most *= 8)
        {
            var from = Math.Max(0, file.Length - most);
            file.Seek(from, SeekOrigin.Begin);
            using var text = new StreamReader(file, Encoding.UTF8, detectEncodingFromByteOrderMarks: false, 1 << 16, leaveOpen: true);
            // Behind a place in the middle of a line, the rest of it says nothing.
            var cut = from > 0 && text.ReadLine() is not null;
            var (checkpoints, entries) = (new List<Checkpoint>(), 0L);
            while (text.ReadLine() is { } line)
            {
                if (!line.StartsWith("{\"town\":", StringComparison.Ordinal))
                {
                    entries++;
                }
                else if (Checkpoint.Parse(line) is { } checkpoint)
                {
                    checkpoints.Add(checkpoint);
                }
                else
                {
                    throw new InvalidDataException("A checkpoint in it cannot be read.");
                }
            }

            if (!cut || entries > 0)
            {
                return checkpoints;
            }
        }
    }
}
