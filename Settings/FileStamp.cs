namespace Townhall.Settings;

/// <summary>By what a changed file is told from the one that was read; the default is no file.</summary>
public readonly record struct FileStamp(DateTime WrittenAt, long Bytes)
{
    public static FileStamp Of(string path)
    {
        var file = new FileInfo(path);
        return file.Exists ? new(file.LastWriteTimeUtc, file.Length) : default;
    }
}
