using System.Text;

namespace Townhall.Ledger.Checkpoints;

/// <summary>Keeps checkpoints outside the database: a file, or any store that can append and tell what came last.</summary>
public interface ICheckpointKeeper
{
    /// <summary>Keeps one; when it returns, it is kept also over a crash.</summary>
    /// <exception cref="IOException">It could not be kept.</exception>
    Task AppendAsync(Checkpoint checkpoint, CancellationToken cancellationToken);

    /// <summary>The one that was kept last.</summary>
    /// <returns>Null when there is none.</returns>
    /// <exception cref="InvalidDataException">What was kept is no checkpoint: somebody changed it.</exception>
    /// <exception cref="IOException">It could not be read.</exception>
    Task<Checkpoint?> LatestAsync(CancellationToken cancellationToken);
}

/// <summary>One checkpoint a line in a file that only grows.</summary>
public sealed class CheckpointFile(string path) : ICheckpointKeeper
{
    public async Task AppendAsync(Checkpoint checkpoint, CancellationToken cancellationToken)
    {
        await using var file = new FileStream(path, new FileStreamOptions
        {
            Mode = FileMode.OpenOrCreate,
            Access = FileAccess.ReadWrite,
            Share = FileShare.Read,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        });
        var line = Encoding.UTF8.GetBytes(checkpoint.ToLine() + "\n");
        // A crash may have left half a line: it stays where it is, and ours begins on the next.
        var torn = file.Length > 0 && await EndsWithoutNewlineAsync(file, cancellationToken);
        file.Seek(0, SeekOrigin.End);
        await file.WriteAsync(torn ? [(byte)'\n', .. line] : line, cancellationToken);
        file.Flush(flushToDisk: true);
    }

    public async Task<Checkpoint?> LatestAsync(CancellationToken cancellationToken)
    {
        if (!File.Exists(path))
        {
            return null;
        }

        await using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        // Two lines always fit: one that was torn, and the whole one before it.
        var tail = new byte[Math.Min(file.Length, 4 * Checkpoint.LineBytesMost)];
        file.Seek(-tail.Length, SeekOrigin.End);
        await file.ReadExactlyAsync(tail, cancellationToken);
        var lines = Encoding.UTF8.GetString(tail).Split('\n');
        // Behind the last newline is nothing, or half a line that was never confirmed.
        for (var i = lines.Length - 2; i >= (tail.Length == file.Length ? 0 : 1); i--)
        {
            if (Checkpoint.Parse(lines[i]) is { } checkpoint)
            {
                return checkpoint;
            }

            if (lines[i].StartsWith('{') && lines[i].EndsWith('}'))
            {
                break;      // whole, and yet no checkpoint
            }
        }

        return tail.Length == 0 || (lines.Length < 2 && tail.Length == file.Length)
            ? null
            : throw new InvalidDataException($"The last lines of {path} are no checkpoints.");
    }

    private static async Task<bool> EndsWithoutNewlineAsync(FileStream file, CancellationToken cancellationToken)
    {
        file.Seek(-1, SeekOrigin.End);
        var last = new byte[1];
        await file.ReadExactlyAsync(last, cancellationToken);
        return last[0] != (byte)'\n';
    }
}
