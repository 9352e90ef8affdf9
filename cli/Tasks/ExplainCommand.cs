using System.CommandLine;
using Spectre.Console;
using Townhall.Cli.Invoking;
using Townhall.Cli.Screens;
using Townhall.Client;

namespace Townhall.Cli.Tasks;

/// <summary><c>tt explain</c>: why a task waits now, since when, and what would change it.</summary>
internal static class ExplainCommand
{
    private static readonly Argument<string> Id = Words.TaskArgument();

    public static Command Create(GlobalOptions globals) => globals.Answer(
        "explain", "Why a task waits, and what would change it", ["tt explain 01a20246-c08a-7000-be88-fcb50b9c6ef2"], [Id],
        static (invocation, cancellationToken) => invocation.Town.ExplainAsync(invocation.Value(Id), cancellationToken), Show);

    private static void Show(Invocation invocation, Explanation told)
    {
        var screen = invocation.Screen.Answers;
        var ahead = told.Position > 0 ? $", {Looks.Number(told.Position)} ahead of it" : "";
        screen.MarkupLine(
            $"{Looks.Sign(told.State, "●")} [bold]{told.TaskId}[/] "
            + $"{(told.Waiting ? $"waits ({Looks.State(told.State)})" : $"is {Looks.State(told.State)}")} since {Looks.Instant(told.Since)}{ahead}");
        foreach (var reason in told.Reasons)
        {
            var since = reason.Since is { } from ? $" [grey](since {Looks.Instant(from)})[/]" : "";
            screen.MarkupLine($"  [bold]{Looks.Text(reason.Code)}[/]  {Looks.Text(reason.Detail)}{since}");
            if (reason.ChangesWhen is not null || reason.At is not null)
            {
                var at = reason.At is { } when ? $" [grey]({Looks.Instant(when)})[/]" : "";
                screen.MarkupLine($"    [grey]changes when:[/] {Looks.Text(reason.ChangesWhen)}{at}");
            }

            foreach (var task in reason.Tasks ?? [])
            {
                screen.MarkupLine($"    [grey]held by[/] {task}");
            }
        }
    }
}
