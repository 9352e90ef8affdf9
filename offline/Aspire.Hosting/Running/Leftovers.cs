using System.Globalization;
using System.Text;

namespace Aspire.Hosting.Running;

/// <summary>Finds and ends processes that carry a host's id in their environment, whoever started them.</summary>
internal static class Leftovers
{
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(2);

    public static IReadOnlyList<int> Find(string hostId, IReadOnlyCollection<int> except)
    {
        var mark = Encoding.ASCII.GetBytes($"{HostEnvironment.HostIdVariable}={hostId}");
        List<int> found = [];
        foreach (var directory in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(directory.AsSpan()), NumberStyles.None, CultureInfo.InvariantCulture, out var processId)
                && processId != Environment.ProcessId
                && !except.Contains(processId)
                && Carries(directory, mark))
            {
                found.Add(processId);
            }
        }

        return found;
    }

    /// <summary>Waits until none is left, for at most <paramref name="bound"/>.</summary>
    /// <returns>Those that still run.</returns>
    public static async Task<IReadOnlyList<int>> WaitAsync(
        string hostId, Func<IReadOnlyCollection<int>> except, TimeSpan bound, TimeProvider clock, CancellationToken hurry)
    {
        var since = clock.GetTimestamp();
        while (true)
        {
            var left = Find(hostId, except());
            if (left.Count == 0 || hurry.IsCancellationRequested || clock.GetElapsedTime(since) >= bound)
            {
                return left;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(50), clock, CancellationToken.None);
        }
    }

    /// <summary>Asks processes to end in their own way.</summary>
    public static void Ask(IEnumerable<int> processIds)
    {
        foreach (var processId in processIds)
        {
            Native.Signal(processId, Native.SigTerm);
        }
    }

    /// <summary>Asks those left to end, and kills exactly those that do not within 2 s.</summary>
    /// <returns>How many there were.</returns>
    public static async Task<int> EndAsync(string hostId, TimeProvider clock, CancellationToken hurry)
    {
        var asked = Find(hostId, []);
        Ask(asked);
        foreach (var processId in asked.Count == 0 ? [] : await WaitAsync(hostId, static () => [], Grace, clock, hurry))
        {
            Native.Signal(processId, Native.SigKill);
        }

        return asked.Count;
    }

    private static bool Carries(string processDirectory, byte[] mark)
    {
        try
        {
            // A process that guards its memory hides its environment from its own user too; workers say it in their arguments.
            return File.ReadAllBytes(Path.Combine(processDirectory, "cmdline")).AsSpan().IndexOf(mark) >= 0
                || File.ReadAllBytes(Path.Combine(processDirectory, "environ")).AsSpan().IndexOf(mark) >= 0;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return false;   // gone meanwhile, or another user's
        }
    }
}
