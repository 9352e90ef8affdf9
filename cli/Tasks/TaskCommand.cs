using System.CommandLine;
using System.Globalization;
using Spectre.Console;
using Townhall.Cli.Invoking;
using Townhall.Cli.Screens;
using Townhall.Client;

namespace Townhall.Cli.Tasks;

/// <summary><c>tt task</c>: where a task stands and what it resulted in; below it, what can be asked of tasks.</summary>
internal static class TaskCommand
{
    private static readonly Argument<string?> MaybeId = new(Words.Task) { Description = "The task's id", Arity = ArgumentArity.ZeroOrOne };
    private static readonly Argument<string> Id = Words.TaskArgument();

    public static Command Create(GlobalOptions globals)
    {
        var task = globals.Answer(
            "task", "Where a task stands, and its result",
            ["tt task 01a20246-c08a-7000-be88-fcb50b9c6ef2", "tt task list --agent scout --state failed,dead", "tt task current scout"], [MaybeId],
            static (invocation, cancellationToken) => invocation.Optional(MaybeId) is { } id
                ? invocation.Town.TaskAsync(id, cancellationToken)
                : throw CommandFailure.Usage("Say which task, or what to do: show, list, current, complete."),
            Write);
        task.Add(globals.Answer(
            "show", "Where a task stands, and its result", ["tt task show 01a20246-c08a-7000-be88-fcb50b9c6ef2 --json"], [Id],
            static (invocation, cancellationToken) => invocation.Town.TaskAsync(invocation.Value(Id), cancellationToken), Write));
        task.Add(TaskListCommand.Create(globals, "list"));
        task.Add(CurrentCommand.Create(globals));
        task.Add(CompleteCommand.Create(globals));
        return task;
    }

    public static void Write(Invocation invocation, AgentTask task)
    {
        var facts = Looks.Facts(
            ("task", $"[bold]{task.TaskId}[/]"),
            ("state", $"{Looks.Sign(task.State, "●")} {Looks.State(task.State)}"),
            ("agent", Looks.Text(task.AgentName)),
            ("text", Markup.Escape(Printable.Cut(task.Description, 200))),
            ("attempt", $"{task.Attempt} of {task.MaxAttempts}"),
            ("created", Looks.Instant(task.CreatedAt)),
            ("started", Looks.Instant(task.StartedAt)),
            ("ended", Looks.Instant(task.CompletedAt)),
            ("took", Looks.Seconds(task.WallMs)),
            ("exit code", task.ExitCode?.ToString(CultureInfo.InvariantCulture) ?? "–"),
            ("sandbox", Looks.Text(task.Sandbox)),
            ("output", $"{Looks.Number(task.OutputBytes)} bytes"));
        void Say(string what, string value) => facts.AddRow($"[grey]{what}[/]", value);
        if (task.NotBefore is not null)
        {
            Say("not before", Looks.Instant(task.NotBefore));
        }

        if (task.Deadline is not null)
        {
            Say("deadline", Looks.Instant(task.Deadline));
        }

        if (task.WaitingFor is { } waiting)
        {
            Say("waits for", $"{Looks.Text(waiting)} of {Looks.Text(waiting == "rate" ? task.RateKey : task.ConcurrencyKey)}");
        }

        if (task.Tags.Length > 0)
        {
            Say("tags", Looks.Text(string.Join(", ", task.Tags)));
        }

        if (task.RetryOf is { } older)
        {
            Say("retry of", older.ToString());
        }

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
