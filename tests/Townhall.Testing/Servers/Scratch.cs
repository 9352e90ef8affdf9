using System.Globalization;

namespace Townhall.Testing;

/// <summary>Temporary folders, each named after the process that made it, so that a later run can remove what a killed one left.</summary>
internal static class Scratch
{
    private const string Prefix = "townhall-tests-";
    private static readonly Lazy<string> Root = new(static () =>
    {
        foreach (var old in Directory.EnumerateDirectories(Path.GetTempPath(), Prefix + "*"))
        {
            if (int.TryParse(Path.GetFileName(old).AsSpan(Prefix.Length), CultureInfo.InvariantCulture, out var pid) && !Signals.Alive(pid))
            {
                Remove(old);
            }
        }

        var root = Path.Combine(Path.GetTempPath(), Prefix + Environment.ProcessId.ToString(CultureInfo.InvariantCulture));
        Directory.CreateDirectory(root);
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Remove(root);
        return root;
    });

    /// <summary>A folder for one server; it does not exist yet.</summary>
    public static string Folder(string name) => Path.Combine(Root.Value, $"{name}-{Guid.CreateVersion7():N}");

    private static void Remove(string folder)
    {
        try
        {
            Directory.Delete(folder, recursive: true);
        }
        catch (Exception taken) when (taken is IOException or UnauthorizedAccessException)
        {
            // A server still writes its last files, or another run was quicker: a later run removes the rest.
        }
    }
}
