using System.Collections.Frozen;

namespace Townhall.Worker.Runtimes.Command;

/// <summary>How a program is given the task's text.</summary>
internal enum PromptRoute
{
    /// <summary>On standard input.</summary>
    StandardInput,

    /// <summary>As the argument that holds <c>{prompt}</c>; standard input is empty, since these programs would read both.</summary>
    Argument,

    /// <summary>As the file that <c>{prompt_file}</c> names; standard input is empty.</summary>
    File,
}

/// <summary>One coding agent: how it is called without a person in front of it.</summary>
/// <param name="Arguments">The argument vector; its first element is looked up on the PATH.</param>
/// <param name="Environment">Variables it needs to sign in; given only where <c>TOWN_COMMAND_ENV</c> names them too.</param>
/// <param name="Manual">The public page that says so.</param>
internal sealed record Preset(string Name, string[] Arguments, PromptRoute Prompt, string[] Environment, string Manual);

/// <summary>The coding agents that <c>cli</c> can name by one word. A new one is a new row.</summary>
/// <remarks>
/// Text goes in by standard input or file where the program can take it so: an argument is visible in the process list and
/// bounded at 128 KiB by the kernel (MAX_ARG_STRLEN), and a task's text may be longer. Each is told to act without asking, as far
/// as its manual lets it act inside its own folder: the limits are those of our sandbox and of the agent's grant.
/// </remarks>
internal static class Presets
{
    public static readonly IReadOnlyList<Preset> All =
    [
        // "Claude Code: CLI reference": -p prints the answer and exits, and takes piped text as the prompt.
        new("claude", ["claude", "-p", "--output-format", "text", "--permission-mode", "acceptEdits"], PromptRoute.StandardInput,
            ["ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN"],
            "https://docs.anthropic.com/en/docs/claude-code/cli-reference"),

        // "Codex: Non-interactive mode": codex exec; "-" reads the prompt from stdin; only the final message is on stdout.
        new("codex", ["codex", "exec", "--sandbox", "workspace-write", "--skip-git-repo-check", "-"], PromptRoute.StandardInput,
            ["CODEX_API_KEY", "OPENAI_API_KEY"],
            "https://developers.openai.com/codex/noninteractive"),

        // "Scripting aider": --message-file sends one message, applies the reply and exits; --yes-always confirms everything.
        new("aider", ["aider", "--message-file", "{prompt_file}", "--yes-always", "--no-stream"], PromptRoute.File,
            ["ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "OPENROUTER_API_KEY", "DEEPSEEK_API_KEY"],
            "https://aider.chat/docs/scripting.html"),

        // "Gemini CLI: Automate tasks with headless mode": piped input without a terminal is the prompt.
        new("gemini", ["gemini", "--approval-mode", "auto_edit", "--output-format", "text"], PromptRoute.StandardInput,
            ["GEMINI_API_KEY", "GOOGLE_API_KEY"],
            "https://geminicli.com/docs/cli/headless/"),

        // "GitHub Copilot CLI programmatic reference": -p runs one prompt and exits, -s prints the answer only.
        new("copilot", ["copilot", "-p", "{prompt}", "-s", "--allow-all-tools", "--no-ask-user"], PromptRoute.Argument,
            ["COPILOT_GITHUB_TOKEN", "GH_TOKEN", "GITHUB_TOKEN"],
            "https://docs.github.com/en/copilot/reference/copilot-cli-reference/cli-programmatic-reference"),

        // "Cursor CLI: Using headless CLI": -p prints and exits, --force lets it change files, --trust answers the question about the folder.
        new("cursor", ["cursor-agent", "-p", "--force", "--trust", "--output-format", "text", "{prompt}"], PromptRoute.Argument,
            ["CURSOR_API_KEY"],
            "https://cursor.com/docs/cli/headless"),

        // "Auggie CLI flags and options": --print runs one instruction and exits, --quiet prints the final message only.
        new("auggie", ["auggie", "--print", "--quiet", "--instruction-file", "{prompt_file}"], PromptRoute.File,
            ["AUGMENT_SESSION_AUTH"],
            "https://docs.augmentcode.com/cli/reference"),
    ];

    private static readonly FrozenDictionary<string, Preset> ByName = All.ToFrozenDictionary(static preset => preset.Name);

    /// <summary>The preset that a <c>cli</c> names, or null when it is a command line.</summary>
    public static Preset? Find(string cli) => ByName.GetValueOrDefault(cli.Trim());
}
