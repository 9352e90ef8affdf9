using System.Globalization;

namespace Aspire.Hosting.Running;

/// <summary>Ends the server that a killed host left on the same data; two on one directory would destroy it.</summary>
internal static class OldServer
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <param name="processIdFile">Its first line is the id the server wrote.</param>
    /// <param name="program">Ids are reused: only a process whose program's name begins so, working in that directory, is the server.</param>
    /// <param name="stopSignal">What asks the server to stop in an orderly way.</param>
    public static async Task EndAsync(
        string processIdFile, string program, int stopSignal, TimeProvider clock, CancellationToken cancellationToken)
    {
        if (!File.Exists(processIdFile))
        {
            return;
        }

        var directory = Path.GetDirectoryName(processIdFile)!;
        var firstLine = (await File.ReadAllLinesAsync(processIdFile, cancellationToken)).FirstOrDefault();
        if (int.TryParse(firstLine, NumberStyles.None, CultureInfo.InvariantCulture, out var processId) && Is(processId, program, directory))
        {
            Native.Signal(processId, stopSignal);
            var since = clock.GetTimestamp();
            while (Is(processId, program, directory))
            {
                if (clock.GetElapsedTime(since) > Patience)
                {
                    throw new HostRefusedException(
                        $"townhall: {program} (process {processId}) of an earlier run does not end; stop it and start again.",
                        HostRefusedException.CannotCreate);
                }

                await Task.Delay(TimeSpan.FromMilliseconds(50), clock, cancellationToken);
            }
        }

        File.Delete(processIdFile);
    }

    private static bool Is(int processId, string program, string directory)
    {
        try
        {
            return Path.GetFileName(File.ResolveLinkTarget($"/proc/{processId}/exe", returnFinalTarget: false)?.FullName)?.StartsWith(program, StringComparison.Ordinal) == true
                && File.ResolveLinkTarget($"/proc/{processId}/cwd", returnFinalTarget: false)?.FullName == directory;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
