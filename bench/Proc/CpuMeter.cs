using System.Globalization;

namespace Townhall.Bench.Proc;

/// <summary>Which part of a core each named process used between two moments, its children included; and what strangers used.</summary>
internal sealed class CpuMeter(IReadOnlyList<(string Name, int Pid)> processes, TimeProvider clock)
{
    /// <summary>The figure for everybody who is not part of the measurement.</summary>
    public const string Others = "cpu of others on the machine";

    // USER_HZ is 100 on every Linux that .NET runs on (proc(5), sysconf(_SC_CLK_TCK)).
    private const double TicksPerSecond = 100;
    private Dictionary<int, ProcessTable.Row> _before = [];
    private long _busyBefore;
    private long _startedAt;

    public void Start()
    {
        _before = ProcessTable.Read();
        _busyBefore = BusyTicks();
        _startedAt = clock.GetTimestamp();
    }

    /// <param name="labels">Names for single processes inside the trees, such as the server processes of a database.</param>
    /// <returns>Per cent of one core.</returns>
    public IReadOnlyList<Figure> Stop(IReadOnlyDictionary<int, string>? labels = null)
    {
        var seconds = clock.GetElapsedTime(_startedAt).TotalSeconds;
        var after = ProcessTable.Read();
        var busy = BusyTicks() - _busyBefore;
        var ticks = new SortedDictionary<string, long>(StringComparer.Ordinal);
        var ours = 0L;
        foreach (var (name, root) in processes)
        {
            // This program started all the others; only its own threads are the load generator.
            foreach (var pid in root == Environment.ProcessId ? [root] : ProcessTable.Tree(after, root))
            {
                // With what its ended children used: they came and went in between.
                var used = after[pid].Ticks - (_before.TryGetValue(pid, out var row) ? row.Ticks : 0);
                if (used == 0)
                {
                    continue;
                }

                var label = labels?.GetValueOrDefault(pid) is { } special ? $"{name}/{special}" : name;
                ticks[label] = ticks.GetValueOrDefault(label) + used;
                ours += used;
            }
        }

        return
        [
            .. ticks.Select(one => new Figure($"cpu {one.Key}", one.Value / TicksPerSecond / seconds * 100, "% of a core")),
            new Figure(Others, Math.Max(0, busy - ours) / TicksPerSecond / seconds * 100, "% of a core"),
        ];
    }

    private static long BusyTicks()
    {
        // user nice system idle iowait irq softirq steal (proc(5)): idle and iowait are the ones in which nobody works.
        var fields = File.ReadLines("/proc/stat").First().Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return fields.Skip(1).Take(8).Select(static (field, at) => at is 3 or 4 ? 0 : long.Parse(field, CultureInfo.InvariantCulture)).Sum();
    }
}
