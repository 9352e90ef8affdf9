using Townhall.Worker.Runtimes.Command;

namespace Townhall.Worker.Tests.Command;

public sealed class PresetTests
{
    [Theory]
    [InlineData("claude", "claude -p --output-format text --permission-mode acceptEdits", "StandardInput")]
    [InlineData("codex", "codex exec --sandbox workspace-write --skip-git-repo-check -", "StandardInput")]
    [InlineData("aider", "aider --message-file /p --yes-always --no-stream", "File")]
    [InlineData("gemini", "gemini --approval-mode auto_edit --output-format text", "StandardInput")]
    [InlineData("copilot", "copilot -p TEXT -s --allow-all-tools --no-ask-user", "Argument")]
    [InlineData("cursor", "cursor-agent -p --force --trust --output-format text TEXT", "Argument")]
    [InlineData("auggie", "auggie --print --quiet --instruction-file /p", "File")]
    public void Each_coding_agent_is_called_without_a_person(string name, string line, string route)
    {
        var preset = Presets.Find(name)!;
        Assert.Equal(line, string.Join(' ', Placeholders.Fill(preset.Arguments, "TEXT", "/p")));
        Assert.Equal(route, preset.Prompt.ToString());
        Assert.StartsWith("https://", preset.Manual, StringComparison.Ordinal);
        Assert.NotEmpty(preset.Environment);
    }

    [Fact]
    public void The_text_reaches_every_preset_by_exactly_one_way()
    {
        foreach (var preset in Presets.All)
        {
            var ways = preset.Arguments.Count(static argument => argument.Contains("{prompt", StringComparison.Ordinal));
            Assert.Equal(preset.Prompt == PromptRoute.StandardInput ? 0 : 1, ways);
        }
    }

    [Fact]
    public void A_command_line_is_not_a_preset()
    {
        Assert.Null(Presets.Find("claude -p"));
        Assert.Null(Presets.Find("sh"));
        Assert.NotNull(Presets.Find(" claude "));
    }
}
