namespace Townhall.Testing;

/// <summary>Finds the programs that tests need; a missing one is a failure of one clear line.</summary>
public static class Programs
{
    /// <summary>The full path of a program.</summary>
    /// <exception cref="MissingProgramException">It is nowhere.</exception>
    public static string Find(string program, string package) =>
        Folders().Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists)
        ?? throw new MissingProgramException($"{program} is missing: install the Debian package {package}.");

    /// <summary>The newest Postgres on this machine.</summary>
    /// <exception cref="MissingProgramException">There is none.</exception>
    public static string Postgres(string program)
    {
        const string Root = "/usr/lib/postgresql";
        var newest = Directory.Exists(Root)
            ? Directory.EnumerateDirectories(Root)
                .OrderByDescending(static folder => int.TryParse(Path.GetFileName(folder), out var version) ? version : 0)
                .Select(folder => Path.Combine(folder, "bin", program))
                .FirstOrDefault(File.Exists)
            : null;
        return newest ?? Find(program, "postgresql");
    }

    /// <summary>The repository: the folder above this build that holds the solution.</summary>
    public static string Repository()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Aspire.sln")))
            {
                return folder.FullName;
            }
        }

        throw new MissingProgramException($"No folder above {AppContext.BaseDirectory} holds Aspire.sln: run the tests from a checkout.");
    }

    /// <summary>The configuration that these tests were built with, as a folder name under <c>bin</c>.</summary>
    public static string Configuration() =>
        AppContext.BaseDirectory.Contains($"{Path.DirectorySeparatorChar}Debug{Path.DirectorySeparatorChar}", StringComparison.Ordinal)
            ? "Debug" : "Release";

    /// <summary>The built program of a service, as <c>services/edge</c> for example.</summary>
    /// <exception cref="MissingProgramException">It was not built.</exception>
    public static string Built(string project)
    {
        var folder = Path.Combine(Repository(), project, "bin", Configuration(), "net10.0");
        var program = Directory.Exists(folder)
            ? Directory.EnumerateFiles(folder, "*.runtimeconfig.json").FirstOrDefault()
            : null;
        return program is null
            ? throw new MissingProgramException($"{project} is not built: run dotnet build -c {Configuration()} {project}.")
            : program.Replace(".runtimeconfig.json", ".dll", StringComparison.Ordinal);
    }

    /// <summary>The runtime host that runs these tests.</summary>
    public static string Dotnet() =>
        Environment.ProcessPath is { } self && Path.GetFileName(self) == "dotnet" ? self : Find("dotnet", "dotnet-sdk-10.0");

    private static IEnumerable<string> Folders() =>
        (Environment.GetEnvironmentVariable("PATH") ?? string.Empty)
            .Split(':', StringSplitOptions.RemoveEmptyEntries)
            .Concat(["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/share/dotnet", "/usr/lib/dotnet"]);
}

/// <summary>The machine lacks something that the tests need; the message says what to install.</summary>
public sealed class MissingProgramException(string message) : Exception(message);
