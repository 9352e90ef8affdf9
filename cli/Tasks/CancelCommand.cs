using System.CommandLine;
using Spectre.Console;
using Townhall.Cli.Invoking;
using Townhall.Cli.Screens;
using Townhall.Cli.Town;

namespace Townhall.Cli.Tasks;

/// <summary><c>tt cancel</c>: withdraws a task; a running one is ended by its worker, which takes a moment.</summary>
internal static class CancelCommand
{
    private static readonly Argument<string> Id = new("ID") { Description = "The task's id" };

    public static Command Create(GlobalOptions globals) => globals.Command("cancel", "Withdraw a task", [Id], RunAsync);

    private static async Task<int> RunAsync(Invocation invocation, CancellationToken cancellationToken)
    {
        var task = await invocation.Town.CancelAsync(invocation.Value(Id), cancellationToken);
        if (invocation.Json)
        {
            invocation.Screen.Json(task, TownJson.Readable.TaskRow);
        }
        else
        {
            invocation.Screen.Answers.MarkupLine(task.State == "cancelled"
                ? $"[green]✓[/] {task.TaskId} is {Looks.State(task.State)}"
                : $"[yellow]…[/] {task.TaskId} is {Looks.State(task.State)}; its worker was told to end it");
        }

        return ExitCodes.Ok;
    }
}
