using System.Runtime.InteropServices;

namespace Townhall.AppHost.Probe;

/// <summary>Nobody's child: drains when it is asked to end, and ends at once when the host's lifetime pipe does. A file says
/// that it runs, another how it ended.</summary>
internal static class ProbeWorker
{
    public static string Directory => Environment.GetEnvironmentVariable("TOWN_DATA")!;

    public static int Run()
    {
        var running = Path.Combine(Directory, $"worker-{Environment.ProcessId}.running");
        using var asked = PosixSignalRegistration.Create(PosixSignal.SIGTERM, _ =>
        {
            File.Move(running, Path.ChangeExtension(running, "drained"));
            Environment.Exit(0);
        });
        using (var pipe = new FileStream(
            Environment.GetEnvironmentVariable("TOWN_LIFETIME_PIPE")!, FileMode.Open, FileAccess.Read, FileShare.ReadWrite))
        {
            File.WriteAllText(running, "");
            _ = pipe.ReadByte();
        }

        File.Move(running, Path.ChangeExtension(running, "cut"));
        return 0;
    }
}
