using System.Globalization;
using System.Text;

namespace Townhall.AppHost.Tests.Hosts;

/// <summary>Every process that has to do with a data directory: it stands in its environment or on its command line.</summary>
internal static class Census
{
    public static IReadOnlyList<string> Of(string data)
    {
        var mark = Encoding.UTF8.GetBytes(data);
        return [.. Directory.GetDirectories("/proc")
            .Where(static directory => int.TryParse(Path.GetFileName(directory), NumberStyles.None, CultureInfo.InvariantCulture, out var id) && id != Environment.ProcessId)
            .Where(directory => Holds(directory, "environ", mark) || Holds(directory, "cmdline", mark))
            .Select(static directory => $"{Path.GetFileName(directory)} {CommandLine(directory)}")];
    }

    private static bool Holds(string directory, string file, byte[] mark)
    {
        try
        {
            return File.ReadAllBytes(Path.Combine(directory, file)).AsSpan().IndexOf(mark) >= 0;
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static string CommandLine(string directory)
    {
        try
        {
            return File.ReadAllText(Path.Combine(directory, "cmdline")).Replace('\0', ' ');
        }
        catch (IOException)
        {
            return "(gone)";
        }
    }
}
