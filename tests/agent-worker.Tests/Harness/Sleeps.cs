using System.Globalization;
using System.Text;

namespace Townhall.Worker.Tests.Harness;

/// <summary>Finds processes of commands by a number that only one test uses.</summary>
internal static class Sleeps
{
    private static int _last = Environment.ProcessId * 1000;

    /// <summary>Seconds to sleep that nobody else sleeps: long enough for every test, and a name in the process table.</summary>
    public static string UniqueSleep() =>
        string.Create(CultureInfo.InvariantCulture, $"7{Interlocked.Increment(ref _last)}");

    /// <summary>The processes that have <paramref name="argument"/> on their command line, in which state each is.</summary>
    public static List<(int Pid, char State)> With(string argument)
    {
        List<(int, char)> found = [];
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(folder), out var pid))
            {
                continue;
            }

            try
            {
                var arguments = Encoding.UTF8.GetString(File.ReadAllBytes($"{folder}/cmdline")).Split('\0');
                var stat = File.ReadAllText($"{folder}/stat");
                if (arguments is ["sleep", ..] && arguments.Contains(argument))
                {
                    found.Add((pid, stat[stat.LastIndexOf(')') + 2]));
                }
            }
            catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
            {
                // It ended while we looked.
            }
        }

        return found;
    }

    public static Task AppearAsync(string sleep, int count, string log = "") =>
        Eventually.TrueAsync(() => With(sleep).Count == count, () => $"{With(sleep).Count} of {count} sleeps are there. {log}");

    public static Task AreGoneAsync(string sleep, TimeSpan? within = null) =>
        Eventually.TrueAsync(() => With(sleep) is [], () => $"{With(sleep).Count} sleeps are still there", within);

    public static Task AreAllAsync(string sleep, char state) =>
        Eventually.TrueAsync(
            () => With(sleep) is { Count: > 0 } all && all.TrueForAll(process => process.State == state),
            () => $"they are {string.Join(',', With(sleep))}, not all {state}");
}
