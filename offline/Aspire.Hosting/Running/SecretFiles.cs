namespace Aspire.Hosting.Running;

/// <summary>Values made once and kept in files that only their owner can read.</summary>
internal sealed class SecretFiles(string directory)
{
    private const UnixFileMode OwnerReadsAndWrites = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    public static SecretFiles For(IDistributedApplicationBuilder builder) => new(Path.Combine(DataDirectory.PathFor(builder), "secrets"));

    public string GetOrCreate(string name, Func<string> make)
    {
        Directory.CreateDirectory(directory, OwnerReadsAndWrites | UnixFileMode.UserExecute);
        var path = Path.Combine(directory, name);
        if (!File.Exists(path))
        {
            Write(path, make());
        }

        return File.ReadAllText(path).TrimEnd('\n');
    }

    /// <summary>Replaces a file in one step, so that nobody ever reads half of it; it is never readable by others, not even for a moment.</summary>
    public static void Write(string path, string content)
    {
        var draft = $"{path}.new";
        File.Delete(draft);
        using (var stream = new FileStream(draft, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            UnixCreateMode = OwnerReadsAndWrites,
        }))
        {
            stream.Write(System.Text.Encoding.UTF8.GetBytes(content));
            stream.Flush(flushToDisk: true);
        }

        File.Move(draft, path, overwrite: true);
    }
}
