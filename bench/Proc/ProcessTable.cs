using System.Globalization;

namespace Townhall.Bench.Proc;

/// <summary>What the kernel says about every process at one moment.</summary>
internal static class ProcessTable
{
    /// <param name="Ticks">Time used by it and by its children that have ended.</param>
    public readonly record struct Row(int Parent, string Program, long Ticks);

    public static Dictionary<int, Row> Read()
    {
        var rows = new Dictionary<int, Row>();
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out var pid) && ReadOne(pid) is { } row)
            {
                rows.Add(pid, row);
            }
        }

        return rows;
    }

    /// <summary>A process and everything below it, as far as it lives.</summary>
    public static IReadOnlyList<int> Tree(IReadOnlyDictionary<int, Row> rows, int root)
    {
        var tree = new List<int>();
        if (rows.ContainsKey(root))
        {
            tree.Add(root);
        }

        for (var i = 0; i < tree.Count; i++)
        {
            tree.AddRange(rows.Where(row => row.Value.Parent == tree[i]).Select(static row => row.Key));
        }

        return tree;
    }

    /// <summary>The proportional set size in bytes: shared pages count for as many parts as there are sharers. Zero when it is gone.</summary>
    public static long Pss(int pid)
    {
        try
        {
            var line = File.ReadLines($"/proc/{pid.ToString(CultureInfo.InvariantCulture)}/smaps_rollup")
                .First(static line => line.StartsWith("Pss:", StringComparison.Ordinal));
            return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) * 1024;
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException or InvalidOperationException)
        {
            return 0;
        }
    }

    /// <summary>Its command line, for people.</summary>
    public static string CommandLine(int pid)
    {
        try
        {
            return File.ReadAllText($"/proc/{pid.ToString(CultureInfo.InvariantCulture)}/cmdline").Replace('\0', ' ').Trim();
        }
        catch (IOException)
        {
            return string.Empty;
        }
    }

    private static Row? ReadOne(int pid)
    {
        try
        {
            // pid (name) state ppid … utime stime cutime cstime at 14 to 17 (proc(5)); the name may hold anything.
            var stat = File.ReadAllText($"/proc/{pid.ToString(CultureInfo.InvariantCulture)}/stat");
            var open = stat.IndexOf('(', StringComparison.Ordinal);
            var close = stat.LastIndexOf(')');
            var fields = stat[(close + 2)..].Split(' ');
            return new Row(
                int.Parse(fields[1], CultureInfo.InvariantCulture),
                stat[(open + 1)..close],
                fields[11..15].Sum(static field => long.Parse(field, CultureInfo.InvariantCulture)));
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
