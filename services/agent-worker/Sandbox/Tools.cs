namespace Townhall.Worker.Sandbox;

/// <summary>The system programs that confine commands. They are looked up in system folders only, never on somebody's PATH.</summary>
internal sealed record Tools(string? Bubblewrap, string? SetPriv, string? PrLimit)
{
    private static readonly string[] Folders = ["/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin"];

    public static Tools Find() => new(Find("bwrap"), Find("setpriv"), Find("prlimit"));

    private static string? Find(string name) =>
        Folders.Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);
}
