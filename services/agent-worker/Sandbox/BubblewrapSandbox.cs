using System.Globalization;
using Townhall.Contracts.Workers;
using Townhall.Worker.Processes;

namespace Townhall.Worker.Sandbox;

/// <summary>Shows a command an almost empty machine: system programs, its own two folders, what its grant lists, and nobody else.</summary>
/// <param name="townData">The town's data folder, with its keys and passwords: empty inside, whatever the grant says.</param>
internal sealed class BubblewrapSandbox(string bubblewrap, Confinement confinement, string? townData) : ISandbox
{
    private const long TempBytes = 1L << 30;
    private const long SharedMemoryBytes = 256L << 20;
    private const string InnerWork = "/run/townhall/work";
    private const string InnerExchange = "/run/townhall/io";

    private static readonly string[] SystemFolders = ["/usr", "/opt"];

    // On merged systems these are links into /usr, on others folders of their own.
    private static readonly string[] SystemLinks = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

    // What name lookup, TLS, dynamic linking and Debian's alternatives need. No shadow, no host keys, no service settings.
    private static readonly string[] SystemSettings =
    [
        "/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/passwd", "/etc/group", "/etc/ssl/certs", "/etc/ssl/openssl.cnf",
        "/etc/pki", "/etc/ca-certificates", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives",
        "/etc/localtime", "/etc/timezone", "/etc/mime.types", "/etc/protocols", "/etc/services",
    ];

    public string Name => "bubblewrap";

    public TreeShape Shape => TreeShape.Namespace;

    public bool ReportsStart => true;

    public AttemptFolders Seen(AttemptFolders folders) => new(InnerWork, InnerExchange);

    public string TempFolder(AttemptFolders folders) => "/tmp";

    public bool Sees(string path, AgentGrant grant) =>
        SystemFolders.Concat(SystemLinks).Concat(grant.Read).Concat(grant.Write).Any(folder => IsBelow(path, folder));

    public Launch Wrap(IReadOnlyList<string> command, IReadOnlyList<string> programFolders, AgentGrant grant, AttemptFolders folders)
    {
        List<string> line =
        [
            .. confinement.Prefix(dieWithWorker: false),
            bubblewrap,
            "--die-with-parent",
            .. Isolation(grant),
            "--json-status-fd", "3",
            .. SystemMounts(),
        ];
        foreach (var folder in programFolders)
        {
            line.AddRange(["--ro-bind", folder, folder]);
        }

        // Grants come in the order of their depth, so that a folder given for writing inside one given for reading is not covered by it.
        foreach (var (path, flag) in grant.Read.Select(static path => (path, "--ro-bind"))
            .Concat(grant.Write.Select(static path => (path, "--bind")))
            .Where(item => townData is null || !IsBelow(item.path, townData))
            .OrderBy(static item => item.path.Length))
        {
            line.AddRange([flag, path, path]);
        }

        // A town often keeps its data inside the project that its agents work on.
        if (townData is not null && Directory.Exists(townData)
            && grant.Read.Concat(grant.Write).Concat(programFolders).Any(folder => IsBelow(townData, folder)))
        {
            line.AddRange(["--tmpfs", townData, "--remount-ro", townData]);
        }

        line.AddRange(["--bind", folders.Work, InnerWork, "--bind", folders.Exchange, InnerExchange]);
        line.AddRange(["--remount-ro", "/", "--chdir", grant.Workdir ?? InnerWork, "--"]);
        line.AddRange(command);
        return new Launch(line, "/");
    }

    /// <summary>True when <paramref name="path"/> is <paramref name="folder"/> or lies in it. Lexical: both are canonical already.</summary>
    public static bool IsBelow(string path, string folder) =>
        path == folder || folder == "/" || (path.StartsWith(folder, StringComparison.Ordinal) && path.Length > folder.Length && path[folder.Length] == '/');

    private static IEnumerable<string> Isolation(AgentGrant grant)
    {
        yield return "--unshare-user";
        yield return "--disable-userns";       // no namespaces within: they are where kernel bugs are found
        yield return "--unshare-pid";
        yield return "--unshare-ipc";
        yield return "--unshare-uts";
        yield return "--unshare-cgroup-try";
        if (grant.Network != "host")
        {
            yield return "--unshare-net";
        }

        yield return "--new-session";           // no terminal to type into
        yield return "--cap-drop";
        yield return "ALL";
        yield return "--hostname";
        yield return "townhall";
    }

    private static IEnumerable<string> SystemMounts()
    {
        foreach (var folder in SystemFolders)
        {
            yield return "--ro-bind-try";
            yield return folder;
            yield return folder;
        }

        foreach (var link in SystemLinks)
        {
            if (new FileInfo(link).LinkTarget is { } target)
            {
                yield return "--symlink";
                yield return target;
                yield return link;
            }
            else
            {
                yield return "--ro-bind-try";
                yield return link;
                yield return link;
            }
        }

        foreach (var file in SystemSettings)
        {
            yield return "--ro-bind-try";
            yield return file;
            yield return file;
        }

        string[] rest =
        [
            "--proc", "/proc",
            "--dev", "/dev",
            "--size", TempBytes.ToString(CultureInfo.InvariantCulture), "--tmpfs", "/tmp",
            "--size", SharedMemoryBytes.ToString(CultureInfo.InvariantCulture), "--tmpfs", "/dev/shm",
            "--remount-ro", "/dev",
        ];
        foreach (var word in rest)
        {
            yield return word;
        }
    }
}
