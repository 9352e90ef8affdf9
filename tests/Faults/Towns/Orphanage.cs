using System.Globalization;
using Townhall.Testing;

namespace Townhall.Faults;

/// <summary>Ends this process, and with it all it started, when the <c>dotnet run</c> that started it is gone.</summary>
/// <remarks>
/// Whoever kills a run kills what they see, which is <c>dotnet run</c>; this process would go on for an hour, with all its
/// servers. A shell that started it in the background may go: that is how long sets are run.
/// </remarks>
public static class Orphanage
{
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(1);

    public static void Watch()
    {
        var parent = ParentOf(Environment.ProcessId);
        if (parent < 2 || ProcessTable.Name(parent) != "dotnet")
        {
            return;
        }

        _ = Task.Run(async () =>
        {
            while (Signals.Alive(parent))
            {
                await Task.Delay(Every, TimeProvider.System, CancellationToken.None);
            }

            // What it started gets its death signal from the kernel.
            Environment.Exit(1);
        });
    }

    private static int ParentOf(int pid)
    {
        var stat = File.ReadAllText($"/proc/{pid.ToString(CultureInfo.InvariantCulture)}/stat");
        return int.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[1], CultureInfo.InvariantCulture);
    }
}
