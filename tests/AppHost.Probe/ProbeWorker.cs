namespace Townhall.AppHost.Probe;

/// <summary>Nobody's child: ends by itself when the host's lifetime pipe does. A file says that it runs, another that it drained.</summary>
internal static class ProbeWorker
{
    public static string Directory => Environment.GetEnvironmentVariable("TOWN_DATA")!;

    public static int Run()
    {
        var running = Path.Combine(Directory, $"worker-{Environment.ProcessId}.running");
        using (var pipe = new FileStream(
            Environment.GetEnvironmentVariable("TOWN_LIFETIME_PIPE")!, FileMode.Open, FileAccess.Read, FileShare.ReadWrite))
        {
            File.WriteAllText(running, "");
            _ = pipe.ReadByte();
        }

        File.Move(running, Path.ChangeExtension(running, "drained"));
        return 0;
    }
}
