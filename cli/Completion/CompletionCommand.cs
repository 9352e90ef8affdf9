using System.CommandLine;
using Townhall.Cli.Invoking;

namespace Townhall.Cli.Completion;

/// <summary><c>tt completion</c>: a script that teaches a shell to complete commands, options, and names of the town.</summary>
internal static class CompletionCommand
{
    private static readonly Argument<string> Shell = OneOf("bash", "zsh", "fish");

    public static Command Create(GlobalOptions globals) => globals.Answer(
        "completion", "Print the script that completes tt in a shell",
        [
            "source <(tt completion bash)                       # in ~/.bashrc", "source <(tt completion zsh)                        # in ~/.zshrc, after compinit",
            "tt completion fish >~/.config/fish/completions/tt.fish",
        ],
        [Shell],
        static (invocation, _) => Task.FromResult(new CompletionScript(invocation.Value(Shell), ScriptOf(invocation.Value(Shell)))),
        static (invocation, script) => invocation.Screen.Write(script.Script));

    private static Argument<string> OneOf(params string[] shells)
    {
        var shell = new Argument<string>("SHELL") { Description = string.Join(", ", shells) };
        shell.AcceptOnlyFromAmong(shells);
        return shell;
    }

    /// <summary>Each asks <c>tt complete</c>, so that a script never knows less than the tt it completes.</summary>
    private static string ScriptOf(string shell) => shell switch
    {
        "bash" => """
            _tt() {
                local IFS=$'\n' line=() word
                for word in "${COMP_WORDS[@]:1:COMP_CWORD}"; do line+=("$word"); done
                # bash splits at colons, equals signs and the like; what it splits off is not asked about.
                COMPREPLY=($(compgen -W "$(tt complete -- "${line[@]}" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
                [ ${#COMPREPLY[@]} -eq 0 ] && compopt -o default
                return 0
            }
            complete -F _tt tt

            """,
        "zsh" => """
            #compdef tt
            _tt() {
                local -a found
                found=("${(@f)$(tt complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
                if [[ -n "${found[1]}" ]]; then compadd -a found; else _files; fi
            }
            compdef _tt tt

            """,
        _ => """
            function __tt_complete
                set -l words (commandline -opc) (commandline -ct)
                tt complete -- $words[2..-1] 2>/dev/null
            end
            complete -c tt -f -a '(__tt_complete)'

            """,
    };
}

internal sealed record CompletionScript(string Shell, string Script);
