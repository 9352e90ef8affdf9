using System.Globalization;
using Townhall.Cli.Invoking;

namespace Townhall.Cli.Hosting;

/// <summary>The data folder of a town on this machine: who holds it, and what it logged.</summary>
internal sealed class TownFolder(string path)
{
    private const string DataVariable = "TOWN_DATA";

    public string Path { get; } = path;

    public string Logs => System.IO.Path.Combine(Path, "logs");

    /// <summary>What a host that <c>tt up</c> started printed.</summary>
    public string HostLog => System.IO.Path.Combine(Path, "host.log");

    /// <summary>Where <c>--data</c> points, else <c>.town</c> of <c>--town</c>, else <c>TOWN_DATA</c>, else <c>.town</c> of the checkout or here.</summary>
    public static TownFolder Find(string? told, Invocation invocation)
    {
        var world = invocation.World;
        var named = told ?? (invocation.TownRoot is { } root ? System.IO.Path.Combine(root, ".town") : world.Environment(DataVariable));
        return new(named is { Length: > 0 }
            ? System.IO.Path.GetFullPath(named, world.CurrentFolder)
            : System.IO.Path.Combine(Checkout.Find(world) ?? world.CurrentFolder, ".town"));
    }

    /// <summary>The process that holds the folder; null when nobody does, also when a host left its note behind.</summary>
    public int? Holder()
    {
        try
        {
            var noted = File.ReadAllText(System.IO.Path.Combine(Path, "host.pid")).Trim();
            return int.TryParse(noted, NumberStyles.None, CultureInfo.InvariantCulture, out var id) && HoldsALock(id) ? id : null;
        }
        catch (Exception none) when (none is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    /// <summary>The number may be another process's by now; only a host holds a lock file open.</summary>
    private static bool HoldsALock(int id)
    {
        try
        {
            return Directory.EnumerateFileSystemEntries($"/proc/{id}/fd")
                .Any(static file => new FileInfo(file).LinkTarget?.EndsWith("/host.lock", StringComparison.Ordinal) == true);
        }
        catch (DirectoryNotFoundException)
        {
            return false;
        }
        catch (Exception closed) when (closed is UnauthorizedAccessException or IOException)
        {
            return Directory.Exists($"/proc/{id}");     // somebody else's: that it is there must do
        }
    }
}

/// <summary>The folder that has the sources of a town and its <c>run</c>.</summary>
internal static class Checkout
{
    /// <summary>From this program upwards, then from the current folder upwards; null when there is none.</summary>
    public static string? Find(World world) => Above(AppContext.BaseDirectory) ?? Above(world.CurrentFolder);

    private static string? Above(string folder)
    {
        for (var at = new DirectoryInfo(folder); at is not null; at = at.Parent)
        {
            if (File.Exists(Path.Combine(at.FullName, "run")) && Directory.Exists(Path.Combine(at.FullName, "AppHost")))
            {
                return at.FullName;
            }
        }

        return null;
    }
}
