using Microsoft.AspNetCore.Builder;
using Townhall.Cli.Tests.Harness;
using Townhall.Testing;

namespace Townhall.Cli.Tests.Completion;

public sealed class CompletionTests
{
    [Theory]
    [InlineData("stat", "status")]
    [InlineData("backlog ", "add,list,claim,assign-all,remove")]
    [InlineData("kill s", "scout")]
    [InlineData("kill ", "scout,ranger")]
    [InlineData("assign ", "scout,ranger")]
    [InlineData("events --agent r", "ranger")]
    [InlineData("backlog claim x ", "scout,ranger")]
    [InlineData("cancel ", Documents.TaskId)]
    [InlineData("task sh", "show")]
    [InlineData("status --ta", "--tasks")]
    [InlineData("status --js", "--json")]
    [InlineData("completion f", "fish")]
    [InlineData("keys ", "list,create,rotate,revoke")]
    [InlineData("keys revoke c", "ci")]
    [InlineData("keys create x --scope town", "town.read,town.write")]
    [InlineData("keys create x --agent r", "ranger")]
    [InlineData("config set max", "max_agents")]
    [InlineData("config townhall.tls.e", "townhall.tls.enabled")]
    [InlineData("message ", "show,remove")]
    [InlineData("tasks --retry-of ", Documents.TaskId)]
    [InlineData("nonsense ", "")]
    public async Task It_offers_what_may_stand_there(string line, string expected)
    {
        await using var town = await FakeTown.StartAsync(static app =>
        {
            app.MapGet("/v1/agents", static () => FakeTown.Json(Documents.Agents(Documents.Agent("scout", "sh"), Documents.Agent("ranger", "sh"))));
            app.MapGet("/v1/keys", static () => FakeTown.Json($$"""{"keys":[{{Documents.Key("ci", "active")}},{{Documents.Key("cd", "revoked")}}],"count":2,"next_cursor":null}"""));
            app.MapGet("/v1/tasks", static () => FakeTown.Json(
                $$"""{"tasks":[{"task_id":"{{Documents.TaskId}}","description":"x"}],"count":1,"next_cursor":null}"""));
        });
        // Its second never passes: a slow machine is no town that is away.
        var terminal = new TestTerminal { Clock = new TestClock() };
        Assert.Equal(0, await terminal.RunAsync(["complete", "--url", town.Address, "--", .. line.Split(' ')]));
        Assert.Equal(expected, string.Join(',', terminal.Out.Split('\n', StringSplitOptions.RemoveEmptyEntries)));
    }

    [Fact]
    public async Task Without_a_town_commands_are_completed_and_names_are_not()
    {
        var terminal = new TestTerminal();
        Assert.Equal(0, await terminal.RunAsync("complete", "--url", "http://127.0.0.1:1", "--", "kill", ""));
        Assert.Empty(terminal.Out + terminal.Error);
    }

    [Fact]
    public async Task A_town_that_is_named_on_the_line_is_the_one_that_is_asked()
    {
        await using var town = await FakeTown.StartAsync(static app =>
            app.MapGet("/v1/agents", static () => FakeTown.Json(Documents.Agents(Documents.Agent("scout", "sh")))));
        var terminal = new TestTerminal { Clock = new TestClock() };
        Assert.Equal(0, await terminal.RunAsync("complete", "--url", "http://127.0.0.1:1", "--", "--url", town.Address, "kill", ""));
        Assert.Equal("scout\n", terminal.Out);
    }

    [Theory]
    [InlineData("tt kill s", "kill s", "kill|s", "scout")]
    [InlineData("tt kill ", "kill ~", "kill|", "scout")]
    [InlineData("tt --url http://127.0.0.1:1 kill s", "--url http : //127.0.0.1 : 1 kill s", "--url|http://127.0.0.1:1|kill|s", "scout")]
    [InlineData("tt kill Ada\\ L", "kill Ada\\_L", "kill|Ada L", "Ada Lovelace")]
    [InlineData("tt kill \"Ada L", "kill \"Ada_L", "kill|Ada L", "Ada Lovelace")]
    [InlineData("tt kill $", "kill $", "kill|$", "$(touch pwned)")]
    [InlineData("tt kill team:s", "kill team : s", "kill|team:s", "team:scribe")]
    public async Task Bash_asks_for_what_was_typed_and_never_runs_an_answer(string line, string words, string asked, string answer)
    {
        var terminal = new TestTerminal();
        Assert.Equal(0, await terminal.RunAsync("completion", "bash"));
        using var folder = new TemporaryFolder();
        folder.Write("completion.sh", terminal.Out);
        folder.Write("answer", answer + "\n");
        File.SetUnixFileMode(
            folder.Write("tt", "#!/bin/sh\n(IFS='|'; echo \"$*\") >asked\ncat answer\n"), UnixFileMode.UserRead | UnixFileMode.UserExecute);
        var quoted = words.Split(' ').Select(static word => $"'{word.Replace('_', ' ').Replace("~", "", StringComparison.Ordinal)}'").ToArray();

        // What was completed is read by bash again, as at a prompt.
        var (exitCode, printed) = await folder.RunAsync("bash", "", new Dictionary<string, string>(), "-c", $$"""
            PATH=".:$PATH"
            source ./completion.sh
            COMP_WORDBREAKS=$' \t\n"\'@><=;|&(:'
            COMP_WORDS=(tt {{string.Join(' ', quoted)}})
            COMP_CWORD={{quoted.Length}}
            COMP_LINE='{{line}}'
            COMP_POINT=${#COMP_LINE}
            _tt
            eval "printf '%s\n' ${COMPREPLY[*]}"
            """);
        Assert.Equal((0, answer.Replace("team:", "", StringComparison.Ordinal) + "\n"), (exitCode, printed));
        Assert.Equal($"complete|--|{asked}\n", await File.ReadAllTextAsync(Path.Combine(folder.Path, "asked")));
        Assert.False(File.Exists(Path.Combine(folder.Path, "pwned")));
    }

    [Theory]
    [InlineData("bash", "bash", "-n")]
    [InlineData("zsh", "zsh", "-n")]
    [InlineData("fish", "fish", "-n")]
    public async Task Scripts_are_what_their_shell_reads(string shell, string program, string check)
    {
        var terminal = new TestTerminal();
        Assert.Equal(0, await terminal.RunAsync("completion", shell));
        Assert.Contains(" complete -- ", terminal.Out, StringComparison.Ordinal);
        if (!File.Exists($"/bin/{program}") && !File.Exists($"/usr/bin/{program}"))
        {
            Assert.NotEqual("bash", shell);     // the one shell that is everywhere
            return;
        }

        using var folder = new TemporaryFolder();
        var (exitCode, printed) = await folder.RunAsync(program, "", new Dictionary<string, string>(), check, folder.Write("tt.sh", terminal.Out));
        Assert.Equal((0, ""), (exitCode, printed));
    }
}
