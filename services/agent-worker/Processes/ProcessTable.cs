using System.Globalization;
using System.Text;

namespace Townhall.Worker.Processes;

/// <summary>One look at <c>/proc</c>: who lives, who started whom, and in which session.</summary>
internal sealed class ProcessTable
{
    private readonly List<Entry> _entries = [];

    private readonly record struct Entry(int Pid, int Parent, int Session, char State);

    public static ProcessTable Read()
    {
        var table = new ProcessTable();
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder.AsSpan()), NumberStyles.None, CultureInfo.InvariantCulture, out var pid)
                && ReadEntry(pid) is { } entry)
            {
                table._entries.Add(entry);
            }
        }

        return table;
    }

    /// <summary>All living processes below <paramref name="roots"/>, without the roots.</summary>
    public HashSet<int> Descendants(IEnumerable<int> roots)
    {
        var family = roots.ToHashSet();
        var ancestors = family.ToHashSet();
        bool grew;
        do
        {
            grew = false;
            foreach (var entry in _entries)
            {
                grew |= family.Contains(entry.Parent) && family.Add(entry.Pid);
            }
        }
        while (grew);

        family.ExceptWith(ancestors);
        return [.. family.Where(IsAlive)];
    }

    /// <summary>Living processes of a session.</summary>
    public IEnumerable<int> OfSession(int session) =>
        _entries.Where(entry => entry.Session == session && entry.State != 'Z').Select(static entry => entry.Pid);

    /// <summary>Living processes whose environment carries both variables.</summary>
    public IEnumerable<int> Marked(string first, string second) =>
        _entries.Where(static entry => entry.State != 'Z').Select(static entry => entry.Pid).Where(pid => Carries(pid, first, second));

    /// <summary>The children of a process.</summary>
    public IEnumerable<int> ChildrenOf(int pid) =>
        _entries.Where(entry => entry.Parent == pid).Select(static entry => entry.Pid);

    /// <summary>True for processes that can still do something; a zombie cannot.</summary>
    public bool IsAlive(int pid) => _entries.Any(entry => entry.Pid == pid && entry.State != 'Z');

    private static Entry? ReadEntry(int pid)
    {
        if (ReadAll($"/proc/{pid}/stat") is not { } stat)
        {
            return null;
        }

        // The name stands in parentheses and may contain anything, also parentheses and spaces: fields begin after the last one.
        var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        return new Entry(pid, Number(fields[1]), Number(fields[3]), fields[0][0]);
    }

    private static int Number(string field) => int.Parse(field, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);

    private static bool Carries(int pid, string first, string second) =>
        ReadAll($"/proc/{pid}/environ") is { Length: > 0 } environment
        && environment.Split('\0') is var variables && variables.Contains(first) && variables.Contains(second);

    /// <summary>Null when the process is gone or not ours to look at: both happen at any moment.</summary>
    private static string? ReadAll(string path)
    {
        try
        {
            return Encoding.Latin1.GetString(File.ReadAllBytes(path));
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
