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

    /// <summary>Each asks <c>tt complete</c> (bash: of the tt that is typed), so that a script never knows less than the tt it completes.</summary>
    private static string ScriptOf(string shell) => shell switch
    {
        "bash" => """
            _tt() {
                local word line=() last rest=$COMP_LINE found cut=''
                # bash splits words at colons and equals signs, too; what no space parts belongs together.
                for word in "${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
                    if [ ${#line[@]} -gt 0 ] && [[ $rest != [[:space:]]* ]]; then
                        line[last]+=$word
                    else
                        rest=${rest#"${rest%%[![:space:]]*}"}
                        last=${#line[@]}
                        line[last]=$word
                    fi
                    rest=${rest#"$word"}
                done
                # As it is meant, not as it is quoted.
                line=("${line[@]//[\\\"\']/}")
                # Only what stands behind the last split is replaced by an answer.
                word=${line[last]}
                [[ $word == *[:=]* && $COMP_WORDBREAKS == *:* ]] && cut=${word%"${word##*[:=]}"}
                COMPREPLY=()
                # Names are what others called things: they are quoted, never read as shell.
                while IFS= read -r found; do
                    printf -v found %q "${found#"$cut"}"
                    COMPREPLY+=("$found")
                done < <("${line[0]/#\~/$HOME}" complete -- "${line[@]:1}" 2>/dev/null)
                [ ${#COMPREPLY[@]} -eq 0 ] && compopt -o default 2>/dev/null
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
