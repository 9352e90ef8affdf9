namespace Townhall.Worker.Tests.Harness;

/// <summary>A folder for one test, removed after it.</summary>
internal sealed class Scratch : IDisposable
{
    private const UnixFileMode Everybody = (UnixFileMode)0b111_101_101;

    public Scratch()
    {
        Folder = Directory.CreateTempSubdirectory("townhall-test-").FullName;

        // Commands may run as another user, who must be able to walk through.
        File.SetUnixFileMode(Folder, Everybody);
    }

    public string Folder { get; }

    public string PathOf(string name) => Path.Combine(Folder, name);

    /// <summary>A folder that any user may write to.</summary>
    public string Shared(string name)
    {
        var folder = Directory.CreateDirectory(PathOf(name)).FullName;
        File.SetUnixFileMode(folder, (UnixFileMode)0b111_111_111);
        return folder;
    }

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
