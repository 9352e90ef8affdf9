using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace Townhall.AppHost;

/// <summary>
/// The key that workers register with: made once, in a file that only its owner can read. Its path is handed around, never
/// its content, because environments are inherited by the commands that agents run.
/// </summary>
internal static class WorkerKey
{
    public const string Variable = "TOWN_WORKER_KEY_FILE";

    private const UnixFileMode OwnerReadsAndWrites = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <returns>The file's path: <c>worker.key</c> in <paramref name="directory"/>, which is made if it is not there.</returns>
    public static string EnsureIn(string directory)
    {
        var path = Path.Combine(directory, "worker.key");
        if (File.Exists(path))
        {
            // Somebody may have copied the directory about; the mode is a promise, not a memory.
            File.SetUnixFileMode(path, OwnerReadsAndWrites);
            return path;
        }

        // Others may pass through (Postgres runs as a user of its own), but not look around.
        Directory.CreateDirectory(directory, OwnerReadsAndWrites | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
        var draft = $"{path}.{Environment.ProcessId}";
        using (var stream = new FileStream(draft, new FileStreamOptions
        {
            Mode = FileMode.Create,
            Access = FileAccess.Write,
            UnixCreateMode = OwnerReadsAndWrites,
        }))
        {
            stream.Write(Encoding.ASCII.GetBytes($"thw_{Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32))}"));
            stream.Flush(flushToDisk: true);
        }

        // Whole or not at all, also when this process dies here.
        File.Move(draft, path, overwrite: true);
        return path;
    }
}
