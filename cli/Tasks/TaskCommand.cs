using System.CommandLine;
using System.Globalization;
using Spectre.Console;
using Townhall.Cli.Invoking;
using Townhall.Cli.Screens;
using Townhall.Cli.Town;

namespace Townhall.Cli.Tasks;

/// <summary><c>tt task</c>: where a task stands and what it resulted in.</summary>
internal static class TaskCommand
{
    private static readonly Argument<string> Id = new("ID") { Description = "The task's id" };

    public static Command Create(GlobalOptions globals) => globals.Command("task", "Where a task stands, and its result", [Id], RunAsync);

    private static async Task<int> RunAsync(Invocation invocation, CancellationToken cancellationToken)
    {
        var task = await invocation.Town.TaskAsync(invocation.Value(Id), cancellationToken);
        Show(invocation, task);
        return ExitCodes.Ok;
    }

    public static void Show(Invocation invocation, TaskRow task)
    {
        if (invocation.Json)
        {
            invocation.Screen.Json(task, TownJson.Readable.TaskRow);
            return;
        }

        var facts = new Grid().AddColumn(new GridColumn().NoWrap().PadRight(3)).AddColumn();
        void Say(string what, string value) => facts.AddRow($"[grey]{what}[/]", value);
        Say("task", $"[bold]{task.TaskId}[/]");
        Say("state", $"{Looks.Sign(task.State, "●")} {Looks.State(task.State)}");
        Say("agent", Looks.Text(task.AgentName));
        Say("text", Markup.Escape(Printable.Cut(task.Description, 200)));
        Say("attempt", $"{task.Attempt} of {task.MaxAttempts}");
        Say("created", Looks.Instant(task.CreatedAt));
        Say("started", Looks.Instant(task.StartedAt));
        Say("ended", Looks.Instant(task.CompletedAt));
        Say("took", Looks.Seconds(task.WallMs));
        Say("exit code", task.ExitCode?.ToString(CultureInfo.InvariantCulture) ?? "–");
        Say("sandbox", Looks.Text(task.Sandbox));
        Say("output", $"{Looks.Number(task.OutputBytes)} bytes");
        if (task.FailureCode is not null || task.FailureDetail is not null)
        {
            Say("failure", $"[red]{Looks.Text(task.FailureCode)}[/] {Markup.Escape(Printable.Text(task.FailureDetail ?? ""))}");
        }

        invocation.Screen.Answers.Write(facts);
        if (task.Result is { Length: > 0 } result)
        {
            invocation.Screen.Answers.WriteLine();
            ResultText.Write(invocation.Screen, "result", result, task);
        }
    }
}
