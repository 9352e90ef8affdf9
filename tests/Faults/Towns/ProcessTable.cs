using System.Globalization;
using System.Text;
using Townhall.Testing;

namespace Townhall.Faults;

/// <summary>What lives on this machine, by /proc.</summary>
public static class ProcessTable
{
    /// <summary>Processes with <paramref name="mark"/> in their environment, the oldest first. A command has its task's id there.</summary>
    public static IReadOnlyList<int> Marked(string mark) =>
        [.. Pids().Where(pid => Signals.Alive(pid) && Read(pid, "environ").Contains(mark, StringComparison.Ordinal))];

    /// <summary>The state's letter, or ' ' where there is no such process.</summary>
    public static char State(int pid) => Read(pid, "stat") is { Length: > 0 } stat ? stat[stat.LastIndexOf(')') + 2] : ' ';

    /// <summary>Seconds by the clock that stamps the effects journal.</summary>
    public static double Uptime() => double.Parse(File.ReadAllText("/proc/uptime").Split(' ')[0], CultureInfo.InvariantCulture);

    /// <summary>How many times longer things may take on this machine than on a quiet one: its load of the last minute per core, at least 1.</summary>
    /// <remarks>For bounds that a process can only keep when it gets a core; those that the database's clock measures stay as they are.</remarks>
    public static double Stretch() => Math.Max(
        1, double.Parse(File.ReadAllText("/proc/loadavg").Split(' ')[0], CultureInfo.InvariantCulture) / Environment.ProcessorCount);

    /// <summary>CPU time that a process has used, s.</summary>
    public static double CpuSecs(int pid)
    {
        var stat = Read(pid, "stat");
        var fields = stat.Length == 0 ? [] : stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        // Fields 14 and 15 of proc(5), in hundredths.
        return fields.Length < 13 ? 0 : (double.Parse(fields[11], CultureInfo.InvariantCulture) + double.Parse(fields[12], CultureInfo.InvariantCulture)) / 100;
    }

    public static IEnumerable<int> ChildrenOf(int parent) =>
        Pids().Where(pid => Read(pid, "stat") is { Length: > 0 } stat && stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[1] == $"{parent}");

    /// <summary>The program's own name.</summary>
    public static string Name(int pid) => Read(pid, "comm").Trim();

    /// <summary>Whether a library is mapped into a process.</summary>
    public static bool Maps(int pid, string library) => Read(pid, "maps").Contains(library, StringComparison.Ordinal);

    /// <summary>Threads, resident KiB and open files of a process.</summary>
    public static (int Threads, int ResidentKiB, int Files) Size(int pid)
    {
        var lines = Read(pid, "status").Split('\n');
        return (Value("Threads:"), Value("VmRSS:"), Directory.Exists($"/proc/{pid}/fd") ? Directory.GetFiles($"/proc/{pid}/fd").Length : 0);

        int Value(string name) =>
            lines.FirstOrDefault(line => line.StartsWith(name, StringComparison.Ordinal)) is { } line
                ? int.Parse(line.Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) : 0;
    }

    private static IEnumerable<int> Pids() =>
        Directory.EnumerateDirectories("/proc")
            .Select(static folder => Path.GetFileName(folder))
            .Where(static name => name.All(char.IsAsciiDigit))
            .Select(static name => int.Parse(name, CultureInfo.InvariantCulture))
            .Order();

    private static string Read(int pid, string file)
    {
        try
        {
            return Encoding.UTF8.GetString(File.ReadAllBytes($"/proc/{pid}/{file}"));
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return "";      // it ended while we looked
        }
    }
}
