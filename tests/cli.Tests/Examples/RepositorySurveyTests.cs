using Townhall.Cli.Fleets;
using Townhall.Cli.Tests.Harness;
using Townhall.Testing;

namespace Townhall.Cli.Tests.Examples;

/// <summary>The example's own scripts, run by the programs they name, over a small repository.</summary>
public sealed class RepositorySurveyTests : IDisposable
{
    private static readonly Dictionary<string, string> Someone = new(StringComparer.Ordinal)
    {
        ["GIT_AUTHOR_NAME"] = "Ada",
        ["GIT_AUTHOR_EMAIL"] = "ada@example.org",
        ["GIT_COMMITTER_NAME"] = "Ada",
        ["GIT_COMMITTER_EMAIL"] = "ada@example.org",
        ["GIT_AUTHOR_DATE"] = "2026-01-02T03:04:05Z",
        ["GIT_COMMITTER_DATE"] = "2026-01-02T03:04:05Z",
    };

    // A quote and a space in its name: the path must reach the scripts as one word.
    private readonly TemporaryFolder _folder = new();

    private string Repo => Path.Combine(_folder.Path, "it's a repo");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Largest_files_come_first()
    {
        await MakeRepositoryAsync();
        var result = await RunAsync("Largest files");
        var lines = result.Split('\n');
        Assert.Contains("big.txt", lines[0], StringComparison.Ordinal);
        Assert.Contains("4.0 KiB", lines[0], StringComparison.Ordinal);
        Assert.Contains("naïve name.md", result, StringComparison.Ordinal);
        Assert.DoesNotContain("untracked", result, StringComparison.Ordinal);
        Assert.Contains("5 files", result, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Comments_that_promise_work_are_found_and_words_in_texts_are_not()
    {
        await MakeRepositoryAsync();
        var result = await RunAsync("TODO and FIXME comments");
        Assert.StartsWith("# 2 in 2 files\n", result, StringComparison.Ordinal);
        Assert.Contains("src/App.cs:3\n      TODO: name it", result, StringComparison.Ordinal);
        Assert.Contains("tool.py:2\n      FIXME later", result, StringComparison.Ordinal);
        Assert.DoesNotContain("App.cs:4", result, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Definitions_are_counted_per_language()
    {
        await MakeRepositoryAsync();
        var result = await RunAsync("Definitions per language");
        Assert.Matches(@"C# +1 +6 +1 +1 ", result);
        Assert.Matches(@"Python +1 +3 +1 +1 ", result);
        Assert.Matches(@"Markdown +1 +1 +1 +– ", result);
    }

    [Fact]
    public async Task Lines_are_summed_per_folder()
    {
        await MakeRepositoryAsync();
        var result = await RunAsync("Lines per folder");
        Assert.Matches(@" 6 +1  src/", result);
        Assert.Matches(@"\(top\)", result);
    }

    [Fact]
    public async Task Commits_are_counted_by_author_and_by_day()
    {
        await MakeRepositoryAsync();
        var result = await RunAsync("Commits by author and day");
        Assert.Matches(@" 2  Ada ", result);
        Assert.Matches(@" 2  2026-01-02 ", result);
        Assert.Contains("2026-01-02  second", result, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Files_that_change_most_come_first()
    {
        await MakeRepositoryAsync();
        var lines = (await RunAsync("Files that change most")).Split('\n');
        Assert.Equal("# In the last 2 commits", lines[0]);
        Assert.Matches(@"^ +2 .*  src/App\.cs$", lines[1]);
    }

    [Fact]
    public async Task An_empty_repository_is_no_failure()
    {
        Directory.CreateDirectory(Repo);
        await GitAsync("init", "-q");
        foreach (var task in Plan().Tasks)
        {
            Assert.NotEmpty(await RunAsync(task.Title));
        }
    }

    [Fact]
    public async Task What_is_no_repository_is_told_so()
    {
        var (exitCode, printed) = await _folder.RunAsync("bash", "", Someone, Example("run"), _folder.Path);
        Assert.Equal(2, exitCode);
        Assert.Contains("is not a git repository", printed, StringComparison.Ordinal);
    }

    private static string Example(string name) => Path.Combine(Programs.Repository(), "examples", "repository-survey", name);

    private FleetPlan Plan()
    {
        var (plan, mistakes) = FleetFile.Read(Example("fleet.json"), Repo);
        Assert.Empty(mistakes);
        return plan!;
    }

    private async Task<string> RunAsync(string title)
    {
        var task = Plan().Tasks.Single(task => task.Title == title);
        var result = Path.Combine(_folder.Path, "result.txt");
        File.Delete(result);
        var (exitCode, printed) = await _folder.RunAsync(
            "sh", task.Text, new Dictionary<string, string>(StringComparer.Ordinal) { ["TOWNHALL_RESULT_FILE"] = result });
        Assert.True(exitCode == 0, $"{title} ended with {exitCode}: {printed}");
        return await File.ReadAllTextAsync(result);
    }

    private async Task MakeRepositoryAsync()
    {
        _folder.Write("it's a repo/src/App.cs", "namespace App;\n\n// TODO: name it\n/* */ var text = \"a TODO in a text\";\npublic sealed class Thing { }\n    public static int Two() => 2;\n");
        _folder.Write("it's a repo/tool.py", "class Tool:\n    # FIXME later\n    def run(self): pass\n");
        _folder.Write("it's a repo/naïve name.md", "# Title\n");
        _folder.Write("it's a repo/big.txt", new string('x', 4095) + "\n");
        _folder.Write("it's a repo/image.bin", "\0\u0001\u0002");
        await GitAsync("init", "-q");
        await GitAsync("add", ".");
        await GitAsync("commit", "-q", "-m", "first");
        _folder.Write("it's a repo/src/App.cs", (await File.ReadAllTextAsync(Path.Combine(Repo, "src/App.cs"))).Replace("Two", "Three", StringComparison.Ordinal));
        await GitAsync("commit", "-q", "-a", "-m", "second");
        _folder.Write("it's a repo/untracked.txt", new string('y', 9999));
    }

    private async Task GitAsync(params string[] arguments)
    {
        var (exitCode, printed) = await _folder.RunAsync("git", "", Someone, ["-C", Repo, .. arguments]);
        Assert.True(exitCode == 0, printed);
    }
}
