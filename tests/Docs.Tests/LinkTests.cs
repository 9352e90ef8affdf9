using System.Text.RegularExpressions;

namespace Townhall.Docs.Tests;

/// <summary>What documents point at exists: pages, files, and tests.</summary>
public sealed partial class LinkTests
{
    public static TheoryData<string> Pages() => [.. Repository.Documents];

    [Theory]
    [MemberData(nameof(Pages))]
    public void Every_relative_link_leads_somewhere(string page)
    {
        var folder = Path.GetDirectoryName(page)!;
        var broken = Link().Matches(Prose(page)).Select(static link => link.Groups["target"].Value)
            .Where(static target => !target.Contains("://", StringComparison.Ordinal) && !target.StartsWith("mailto:", StringComparison.Ordinal))
            .Where(target => !Leads(page, folder, target));
        Assert.Empty(broken);
    }

    [Theory]
    [MemberData(nameof(Pages))]
    public void Every_file_that_is_named_with_its_path_is_there(string page)
    {
        var folders = Repository.Files("").Where(static path => path.Contains('/', StringComparison.Ordinal))
            .Select(static path => path[..path.IndexOf('/', StringComparison.Ordinal)]).ToHashSet();
        var missing = Code().Matches(Prose(page)).Select(static code => code.Groups["text"].Value)
            .Where(text => Named().IsMatch(text) && folders.Contains(text[..text.IndexOf('/', StringComparison.Ordinal)]) && !Repository.Exists(text));
        Assert.Empty(missing);
    }

    [Theory]
    [MemberData(nameof(Pages))]
    public void Every_test_that_is_named_exists(string page)
    {
        var invented = Code().Matches(Prose(page)).Select(static code => code.Groups["text"].Value)
            .Where(static text => Sentence().IsMatch(text) && !Tests.Contains(text));
        Assert.Empty(invented);
    }

    [Fact]
    public void Every_page_is_in_the_index()
    {
        var index = Repository.Read("docs/README.md");
        var lost = Repository.Documents.Where(static page => page.StartsWith("docs/", StringComparison.Ordinal) && page != "docs/README.md")
            .Where(page => !index.Contains($"({page["docs/".Length..]})", StringComparison.Ordinal));
        Assert.Empty(lost);
    }

    /// <summary>Names of all test methods.</summary>
    internal static HashSet<string> Tests { get; } =
        [.. Repository.Files("tests").Where(static path => path.EndsWith("Tests.cs", StringComparison.Ordinal))
            .SelectMany(static path => Method().Matches(Repository.Read(path))).Select(static method => method.Groups["name"].Value)];

    private static bool Leads(string page, string folder, string target)
    {
        var parts = target.Split('#', 2);
        var path = parts[0].Length == 0 ? page : Path.GetRelativePath(Repository.Root, Path.GetFullPath(Path.Combine(Repository.Root, folder, parts[0])));
        return Repository.Exists(path)
            && (parts.Length == 1 || !path.EndsWith(".md", StringComparison.Ordinal) || Anchors(path).Contains(parts[1]));
    }

    // As GitHub makes them: lower case, spaces to dashes, punctuation gone.
    private static HashSet<string> Anchors(string page) => [.. Repository.Read(page).Split('\n')
        .Where(static line => line.StartsWith('#'))
        .Select(static line => string.Concat(line.TrimStart('#').Trim().ToLowerInvariant()
            .Where(static one => char.IsLetterOrDigit(one) || one is ' ' or '-' or '_').Select(static one => one == ' ' ? '-' : one)))];

    /// <summary>A page without its fenced blocks.</summary>
    private static string Prose(string page) => Fence().Replace(Repository.Read(page), "");

    [GeneratedRegex(@"\]\((?<target>[^)\s]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex("`(?<text>[^`\n]+)`")]
    private static partial Regex Code();

    [GeneratedRegex(@"^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)+/?$")]
    private static partial Regex Named();

    // A capital, then small letters: what is written in capitals is a variable.
    [GeneratedRegex("^[A-Z][a-z0-9]*(_[A-Za-z0-9]+){2,}$")]
    private static partial Regex Sentence();

    [GeneratedRegex(@"(Task|void)\s+(?<name>[A-Z][A-Za-z0-9]*(_[A-Za-z0-9]+)+)\(")]
    private static partial Regex Method();

    [GeneratedRegex("^```.*?^```", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex Fence();
}
