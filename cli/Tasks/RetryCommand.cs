using System.CommandLine;
using Spectre.Console;
using Townhall.Cli.Invoking;
using Townhall.Cli.Screens;

namespace Townhall.Cli.Tasks;

/// <summary><c>tt retry</c>: does a task that has ended once more, as a new one.</summary>
internal static class RetryCommand
{
    private static readonly Argument<string> Id = Words.TaskArgument();
    private static readonly Option<bool> Force = new("--force") { Description = "Also what completed, or was retried already" };

    public static Command Create(GlobalOptions globals) => globals.Answer(
        "retry", "Do a task that has ended once more", ["id=$(tt retry 01a20246-c08a-7000-be88-fcb50b9c6ef2)"], [Id, Force],
        static (invocation, cancellationToken) => invocation.Town.RetryAsync(invocation.Value(Id), invocation.Value(Force), cancellationToken),
        static (invocation, task) =>
        {
            if (invocation.Screen.OutIsTerminal)
            {
                invocation.Screen.Answers.MarkupLine(Looks.Done($"{task.TaskId} does {task.RetryOf} again  [grey]follow it: tt output {task.TaskId} -f[/]"));
            }
            else
            {
                invocation.Screen.Line(task.TaskId.ToString());
            }
        });
}
