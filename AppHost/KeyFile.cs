using System.Text;

namespace Townhall.AppHost;

/// <summary>A secret that is made once, in a file that only its owner can read. Its path is handed around, never its content.</summary>
internal static class KeyFile
{
    private const UnixFileMode OwnerReadsAndWrites = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <returns>The file's path: <paramref name="name"/> in <paramref name="directory"/>, which is made if it is not there.</returns>
    public static string EnsureIn(string directory, string name, Func<string> make)
    {
        var path = Path.Combine(directory, name);
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
            stream.Write(Encoding.ASCII.GetBytes(make()));
            stream.Flush(flushToDisk: true);
        }

        // Whole or not at all, also when this process dies here.
        File.Move(draft, path, overwrite: true);
        return path;
    }
}
