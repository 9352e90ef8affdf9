using System.Globalization;

namespace Townhall.Scaler.Workers;

/// <summary>A note on disk for each start that has not arrived yet, so that the next scaler counts it, too.</summary>
/// <remarks>One small file a start, <c>starting/{worker}</c>, holding the process id once there is one.</remarks>
internal sealed class StartJournal(string data, TimeProvider clock)
{
    private readonly string _folder = Path.Combine(data, "starting");

    /// <summary>Written before the process exists, so that no moment is without a note.</summary>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    public void Begin(Guid worker)
    {
        Directory.CreateDirectory(_folder);
        File.WriteAllText(PathOf(worker), string.Empty);
    }

    /// <exception cref="IOException">The folder cannot be written.</exception>
    public void Started(Guid worker, int pid) => File.WriteAllText(PathOf(worker), pid.ToString(CultureInfo.InvariantCulture));

    /// <summary>The start has arrived or failed.</summary>
    /// <exception cref="IOException">The note cannot be removed.</exception>
    public void End(Guid worker)
    {
        if (Directory.Exists(_folder))
        {
            File.Delete(PathOf(worker));
        }
    }

    /// <summary>Starts of an earlier scaler that may still arrive: younger than <paramref name="patience"/>, and their process is not known to be gone.</summary>
    public IReadOnlyList<(Guid Worker, int? Pid)> Open(TimeSpan patience)
    {
        if (!Directory.Exists(_folder))
        {
            return [];
        }

        var open = new List<(Guid, int?)>();
        foreach (var note in new DirectoryInfo(_folder).EnumerateFiles())
        {
            if (!Guid.TryParse(note.Name, out var worker))
            {
                continue;
            }

            var pid = int.TryParse(File.ReadAllText(note.FullName), CultureInfo.InvariantCulture, out var id) ? id : (int?)null;
            if (clock.GetUtcNow() - note.LastWriteTimeUtc < patience && (pid is null || IsAlive(pid.Value)))
            {
                open.Add((worker, pid));
            }
            else
            {
                note.Delete();
            }
        }

        return open;
    }

    public static bool IsAlive(int pid) => Directory.Exists(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}"));

    private string PathOf(Guid worker) => Path.Combine(_folder, worker.ToString("D"));
}
