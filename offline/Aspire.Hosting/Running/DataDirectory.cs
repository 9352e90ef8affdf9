using System.Globalization;

namespace Aspire.Hosting.Running;

/// <summary>The directory one town lives in, held by at most one host at a time.</summary>
internal sealed class DataDirectory : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly FileStream _lock;

    private DataDirectory(string path, FileStream held)
    {
        Path = path;
        _lock = held;
        Directory.CreateDirectory(Logs, OwnerOnly);
    }

    public string Path { get; }

    public string Logs => System.IO.Path.Combine(Path, "logs");

    public string LifetimePipe => System.IO.Path.Combine(Path, "host.lifetime");

    /// <summary>Names the host that last held the directory: its processes carry the id in their environment.</summary>
    public string HostIdFile => System.IO.Path.Combine(Path, "host.id");

    /// <summary>Where setting <c>TOWN_DATA</c> points, or <c>.town</c> beside the AppHost's directory.</summary>
    public static string PathFor(IDistributedApplicationBuilder builder) => builder.Configuration["TOWN_DATA"] is { Length: > 0 } told
        ? System.IO.Path.GetFullPath(told)
        : System.IO.Path.GetFullPath(System.IO.Path.Combine(builder.AppHostDirectory, "..", ".town"));

    /// <exception cref="HostRefusedException">Another host holds it, or it cannot be written.</exception>
    public static DataDirectory Claim(string path)
    {
        var lockFile = System.IO.Path.Combine(path, "host.lock");
        try
        {
            // Others may pass through (Postgres runs as a user of its own), but not look around.
            Directory.CreateDirectory(path, OwnerOnly | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
            var held = new FileStream(lockFile, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);

            // Beside the lock, not in it: a file that is locked cannot be opened to read who locked it.
            File.WriteAllText(System.IO.Path.Combine(path, "host.pid"), Environment.ProcessId.ToString(CultureInfo.InvariantCulture));

            // The path without symbolic links, as /proc shows it for the servers that work in there.
            var real = File.ResolveLinkTarget($"/proc/self/fd/{held.SafeFileHandle.DangerousGetHandle()}", returnFinalTarget: false);
            return new DataDirectory(System.IO.Path.GetDirectoryName(real!.FullName)!, held);
        }
        catch (IOException) when (File.Exists(lockFile))
        {
            throw new HostRefusedException(
                $"townhall: {path} is in use by another host{Holder(path)}; stop that one, or choose another directory with --data.",
                HostRefusedException.CannotCreate);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new HostRefusedException($"townhall: cannot write to {path}: {error.Message}", HostRefusedException.CannotCreate);
        }
    }

    /// <summary>A directory inside for one server, closed to everybody else.</summary>
    public string Subdirectory(string name)
    {
        var path = System.IO.Path.Combine(Path, name);
        Directory.CreateDirectory(path, OwnerOnly);
        return path;
    }

    public void Dispose() => _lock.Dispose();

    private static string Holder(string path)
    {
        try
        {
            return $" (process {File.ReadAllText(System.IO.Path.Combine(path, "host.pid"))})";
        }
        catch (IOException)
        {
            return "";
        }
    }
}
