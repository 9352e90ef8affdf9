using System.Diagnostics;
using System.Text.RegularExpressions;
using Townhall.Testing;

namespace Townhall.Town.Tests;

/// <summary>What README tells a newcomer to type works as it is written there, in that order.</summary>
[Collection(nameof(TownCollection))]
public sealed partial class ReadmeTests(RunningTown town)
{
    [Fact]
    public async Task Every_call_of_README_answers_with_what_README_shows()
    {
        var deadline = Deadline.Of(TimeSpan.FromSeconds(90));
        var readme = await File.ReadAllTextAsync(Path.Combine(Programs.Repository(), "README.md"), deadline);
        var blocks = Blocks().Matches(readme).Select(static block => (Language: block.Groups[1].Value, Text: block.Groups[2].Value.Trim())).ToList();
        var calls = 0;
        var task = "";
        for (var i = 0; i < blocks.Count; i++)
        {
            if (!blocks[i].Text.StartsWith("curl ", StringComparison.Ordinal) && !blocks[i].Text.StartsWith("timeout 5 curl ", StringComparison.Ordinal))
            {
                continue;
            }

            calls++;
            var command = blocks[i].Text
                .Replace("127.0.0.1:8080", town.Client.Http.BaseAddress!.Authority, StringComparison.Ordinal)
                .Replace("/TASK", $"/{task}", StringComparison.Ordinal);
            var answer = await ShellAsync(command, deadline);
            if (TaskId().Match(answer) is { Success: true } found && command.Contains("assign", StringComparison.Ordinal))
            {
                task = found.Groups[1].Value;
            }

            var (language, shown) = blocks[i + 1];
            if (language == "json" || shown.StartsWith("retry: ", StringComparison.Ordinal))
            {
                Assert.All(Keys().Matches(shown).Select(static key => key.Value), key => Assert.Contains(key, answer, StringComparison.Ordinal));
            }
            else
            {
                Assert.Equal(shown, answer.Trim());
            }
        }

        Assert.InRange(calls, 7, 20);
        Assert.Equal("completed", (await town.Client.TaskAsync(Guid.Parse(task), deadline)).GetProperty("state").GetString());
    }

    private static async Task<string> ShellAsync(string command, CancellationToken deadline)
    {
        using var shell = Process.Start(new ProcessStartInfo("sh", ["-c", command]) { RedirectStandardOutput = true })!;
        var output = await shell.StandardOutput.ReadToEndAsync(deadline);
        await shell.WaitForExitAsync(deadline);
        // A stream that is listened to for five seconds is ended by timeout(1), with 124.
        Assert.True(shell.ExitCode is 0 or 124, $"{command} ended with {shell.ExitCode}: {output}");
        return output;
    }

    [GeneratedRegex("^```(\\w*)\n(.*?)^```", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Blocks();

    [GeneratedRegex("\"task_id\":\"([^\"]+)\"")]
    private static partial Regex TaskId();

    [GeneratedRegex("\"[a-z_]+\":")]
    private static partial Regex Keys();
}
