namespace Aspire.Hosting.Running;

/// <summary>Finds the servers this machine has installed.</summary>
internal static class LocalPrograms
{
    public static string? OnPath(string name) => (Environment.GetEnvironmentVariable("PATH") ?? "/usr/local/bin:/usr/bin:/bin")
        .Split(':', StringSplitOptions.RemoveEmptyEntries)
        .Concat(["/usr/sbin", "/sbin"])
        .Select(directory => Path.Combine(directory, name))
        .FirstOrDefault(File.Exists);

    public static string Require(string name, string debianPackage) => OnPath(name)
        ?? throw new HostRefusedException(
            $"townhall: {name} is not installed; on Debian: apt-get install {debianPackage}", HostRefusedException.Unavailable);

    /// <summary>The directory of Postgres' server programs: of version <paramref name="major"/>, or the newest when null.</summary>
    public static string RequirePostgres(string? major)
    {
        // Debian keeps each version's programs in a directory of its own, outside of PATH.
        const string Debian = "/usr/lib/postgresql";
        var versions = Directory.Exists(Debian)
            ? Directory.GetDirectories(Debian).Select(static directory => Path.Combine(directory, "bin")).ToList()
            : [];
        if (OnPath("postgres") is { } found && OnPath("initdb") is not null)
        {
            versions.Add(Path.GetDirectoryName(found)!);
        }

        var usable = versions.Where(static bin => File.Exists(Path.Combine(bin, "postgres")) && File.Exists(Path.Combine(bin, "initdb")));
        var chosen = major is null
            ? usable.OrderByDescending(static bin => int.TryParse(Path.GetFileName(Path.GetDirectoryName(bin)), out var version) ? version : 0).FirstOrDefault()
            : usable.FirstOrDefault(bin => Path.GetFileName(Path.GetDirectoryName(bin)) == major) ?? usable.FirstOrDefault(static bin => !bin.StartsWith(Debian, StringComparison.Ordinal));
        return chosen ?? throw new HostRefusedException(
            major is null
                ? "townhall: Postgres is not installed; on Debian: apt-get install postgresql"
                : $"townhall: the data was made by Postgres {major}, which is not installed; on Debian: apt-get install postgresql-{major}",
            HostRefusedException.Unavailable);
    }
}
