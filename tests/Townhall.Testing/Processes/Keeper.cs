using System.Collections.Concurrent;
using System.Diagnostics;

namespace Townhall.Testing;

/// <summary>Starts every process of a test run, so that all of them end with it.</summary>
/// <remarks>
/// The kernel ties a child's death signal to the <em>thread</em> that started it, and pool threads end while their
/// process lives on; so one thread, which never ends, starts them all.
/// </remarks>
internal static class Keeper
{
    private static readonly BlockingCollection<Action> Orders = new(boundedCapacity: 64);

    static Keeper()
    {
        var thread = new Thread(static () =>
        {
            foreach (var order in Orders.GetConsumingEnumerable())
            {
                order();
            }
        })
        {
            IsBackground = true,
            Name = "keeper",
        };
        thread.Start();
    }

    /// <summary>Starts a process that gets <paramref name="deathSignal"/> when this one ends, however it ends.</summary>
    /// <param name="prepare">Sees the process before its first line of output.</param>
    public static Task<Process> StartAsync(
        string deathSignal, IEnumerable<string> setprivOptions, string program, IEnumerable<string> arguments, Action<Process> prepare)
    {
        var start = new ProcessStartInfo(Programs.Find("setpriv", "util-linux"))
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var argument in (IEnumerable<string>)["--pdeathsig", deathSignal, .. setprivOptions, "--", program, .. arguments])
        {
            start.ArgumentList.Add(argument);
        }

        var started = new TaskCompletionSource<Process>(TaskCreationOptions.RunContinuationsAsynchronously);
        Orders.Add(() =>
        {
            try
            {
                var process = new Process { StartInfo = start, EnableRaisingEvents = true };
                prepare(process);
                process.Start();
                process.BeginOutputReadLine();
                process.BeginErrorReadLine();
                process.StandardInput.Close();
                started.SetResult(process);
            }
            catch (Exception failure) when (failure is InvalidOperationException or IOException or System.ComponentModel.Win32Exception)
            {
                started.SetException(failure);
            }
        });
        return started.Task;
    }
}
