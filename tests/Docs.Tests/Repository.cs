using Townhall.Testing;

namespace Townhall.Docs.Tests;

/// <summary>Reads the checkout as a person would: documents, sources, and nothing that a build made.</summary>
internal static class Repository
{
    private static readonly string[] Made = ["bin", "obj", "artifacts", "node_modules", "TestResults"];

    public static readonly string Root = Programs.Repository();

    /// <summary>README.md, where there is one, and every page under docs/, as paths from the root.</summary>
    public static IReadOnlyList<string> Documents { get; } =
        [.. Files("docs").Where(static path => path.EndsWith(".md", StringComparison.Ordinal)).Concat(Exists("README.md") ? ["README.md"] : [])];

    public static string Read(string path) => File.ReadAllText(Path.Combine(Root, path));

    public static bool Exists(string path) => Path.Exists(Path.Combine(Root, path));

    /// <summary>Every file below a folder, as paths from the root; hidden and made ones left out.</summary>
    public static IEnumerable<string> Files(string folder)
    {
        foreach (var entry in new DirectoryInfo(Path.Combine(Root, folder)).EnumerateFileSystemInfos().OrderBy(static one => one.Name, StringComparer.Ordinal))
        {
            if (entry.Name.StartsWith('.') || Made.Contains(entry.Name))
            {
                continue;
            }

            var path = folder.Length == 0 ? entry.Name : $"{folder}/{entry.Name}";
            if (entry is DirectoryInfo)
            {
                foreach (var file in Files(path))
                {
                    yield return file;
                }
            }
            else
            {
                yield return path;
            }
        }
    }

    /// <summary>The cells of every row of every table in a page; headings and rulers are rows too.</summary>
    public static IEnumerable<string[]> Rows(string path) =>
        Read(path).Split('\n')
            .Where(static line => line.StartsWith('|'))
            .Select(static line => line.Trim().Trim('|').Split('|', StringSplitOptions.TrimEntries));
}
