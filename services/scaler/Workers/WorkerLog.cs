using System.Globalization;

namespace Townhall.Scaler.Workers;

/// <summary>The log files of workers, <c>logs/worker-N.log</c> below the data folder, each bounded.</summary>
/// <remarks>Workers write to files and not to this process, because they outlive it.</remarks>
internal sealed class WorkerLog(string data)
{
    /// <summary>A file that has grown so large begins anew at the next start; the old one is kept beside it once.</summary>
    private const long TurnBytes = 1024 * 1024;

    /// <summary>A file that grows so large under a running worker is emptied: the worker appends, so it goes on at the beginning.</summary>
    private const long MostBytes = 8 * 1024 * 1024;
    private readonly string _folder = Path.Combine(data, "logs");

    /// <summary>The file for the worker in place <paramref name="number"/>, ready to be appended to.</summary>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    public string Open(int number)
    {
        Directory.CreateDirectory(_folder);
        var path = Path.Combine(_folder, string.Create(CultureInfo.InvariantCulture, $"worker-{number}.log"));
        if (new FileInfo(path) is { Exists: true, Length: > TurnBytes } grown)
        {
            grown.MoveTo(path + ".old", overwrite: true);
        }

        return path;
    }

    /// <summary>Empties what has grown beyond its bound.</summary>
    /// <exception cref="IOException">A file cannot be written.</exception>
    public void Trim()
    {
        if (!Directory.Exists(_folder))
        {
            return;
        }

        foreach (var file in new DirectoryInfo(_folder).EnumerateFiles("worker-*.log"))
        {
            if (file.Length > MostBytes)
            {
                using var open = file.Open(FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
                open.SetLength(0);
            }
        }
    }
}
