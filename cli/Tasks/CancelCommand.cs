using System.CommandLine;
using Spectre.Console;
using Townhall.Cli.Invoking;
using Townhall.Cli.Screens;

namespace Townhall.Cli.Tasks;

/// <summary><c>tt cancel</c>: withdraws a task; a running one is ended by its worker, which takes a moment.</summary>
internal static class CancelCommand
{
    private static readonly Argument<string> Id = Words.TaskArgument();

    public static Command Create(GlobalOptions globals) => globals.Answer(
        "cancel", "Withdraw a task", ["tt cancel 01a20246-c08a-7000-be88-fcb50b9c6ef2"], [Id],
        static (invocation, cancellationToken) => invocation.Town.CancelAsync(invocation.Value(Id), cancellationToken),
        static (invocation, task) => invocation.Screen.Answers.MarkupLine(task.State == "cancelled"
            ? Looks.Done($"{task.TaskId} is {Looks.State(task.State)}")
            : $"[yellow]…[/] {task.TaskId} is {Looks.State(task.State)}; its worker was told to end it"));
}
