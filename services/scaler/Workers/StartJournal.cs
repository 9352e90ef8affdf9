using System.Globalization;

namespace Townhall.Scaler.Workers;

/// <summary>A note on disk for each start that has not arrived yet, so that the next scaler counts it, too.</summary>
/// <remarks>One small file a start, <c>starting/{worker}</c>, holding the process id (0 before there is one) and the moment.</remarks>
internal sealed class StartJournal(string data, TimeProvider clock)
{
    private readonly string _folder = Path.Combine(data, "starting");

    /// <summary>Written before the process exists, so that no moment is without a note, and again when it has an id.</summary>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    public void Note(WorkerStart start)
    {
        Directory.CreateDirectory(_folder);
        File.WriteAllText(
            PathOf(start.Worker), string.Create(CultureInfo.InvariantCulture, $"{start.Pid ?? 0} {start.Since.Ticks}"));
    }

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
    public IReadOnlyList<WorkerStart> Open(TimeSpan patience)
    {
        if (!Directory.Exists(_folder))
        {
            return [];
        }

        var open = new List<WorkerStart>();
        foreach (var note in new DirectoryInfo(_folder).EnumerateFiles())
        {
            if (clock.GetUtcNow() - note.LastWriteTimeUtc < patience && Read(note) is { } start && (start.Pid is null || IsAlive(start.Pid.Value)))
            {
                open.Add(start);
            }
            else
            {
                note.Delete();
            }
        }

        return open;
    }

    public static bool IsAlive(int pid) => Directory.Exists(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}"));

    /// <returns>Null for what is no note, or only the half of one.</returns>
    private static WorkerStart? Read(FileInfo note) =>
        Guid.TryParse(note.Name, out var worker)
        && File.ReadAllText(note.FullName).Split(' ') is [var id, var ticks]
        && int.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out var pid)
        && long.TryParse(ticks, NumberStyles.None, CultureInfo.InvariantCulture, out var since)
            ? new WorkerStart(worker, pid == 0 ? null : pid, new DateTime(since, DateTimeKind.Utc))
            : null;

    private string PathOf(Guid worker) => Path.Combine(_folder, worker.ToString("D"));
}
