namespace Townhall.Worker.Tests.Harness;

/// <summary>A folder for one test, removed after it.</summary>
internal sealed class Scratch : IDisposable
{
    private const UnixFileMode Everybody = (UnixFileMode)0b111_101_101;

    public Scratch()
    {
        Root = Directory.CreateTempSubdirectory("townhall-test-").FullName;
        Folder = Directory.CreateDirectory(Path.Combine(Root, "data")).FullName;

        // Commands may run as another user, who must be able to walk through.
        File.SetUnixFileMode(Root, Everybody);
        File.SetUnixFileMode(Folder, Everybody);
    }

    /// <summary>Holds the town's data and, beside it, what tests grant.</summary>
    public string Root { get; }

    /// <summary>The town's data.</summary>
    public string Folder { get; }

    public string PathOf(string name) => Path.Combine(Folder, name);

    /// <summary>A folder beside the town's data that any user may write to.</summary>
    public string Shared(string name)
    {
        var folder = Directory.CreateDirectory(Path.Combine(Root, name)).FullName;
        File.SetUnixFileMode(folder, (UnixFileMode)0b111_111_111);
        return folder;
    }

    public void Dispose() => Directory.Delete(Root, recursive: true);
}
