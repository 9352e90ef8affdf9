using System.CommandLine;
using Spectre.Console;
using Townhall.Cli.Invoking;
using Townhall.Cli.Screens;
using Townhall.Cli.Tasks;
using Townhall.Client;
using Townhall.Contracts.Tasks;

namespace Townhall.Cli.Backlog;

/// <summary><c>tt backlog</c>: work that has no agent yet.</summary>
internal static class BacklogCommands
{
    private static readonly Argument<string> Text = new("DESCRIPTION") { Description = "The task in words; - reads it from standard input" };
    private static readonly Argument<string> Id = Words.TaskArgument();
    private static readonly Argument<string> Agent = Words.AgentArgument("Who gets it");
    private static readonly Option<string?> Role = new("--role") { Description = "Only agents of this role take it by themselves", HelpName = "ROLE" };
    private static readonly Option<int?> Priority = Words.Whole("--priority", [], "N", "-100 to 100, higher first (default 0)", -100, 100);
    private static readonly Option<string?> Tags = new("--tags") { Description = "Words that say who may take it, comma separated", HelpName = "TAGS" };

    public static Command Create(GlobalOptions globals) => GlobalOptions.Group(
        "backlog", "Work that has no agent yet",
        globals.Answer(
            "add", "Keep a task until an agent takes it", ["tt backlog add 'port the docs' --tags docs,writer"], [Text, Tags, Role, Priority],
            static async (invocation, cancellationToken) => await invocation.Town.AddToBacklogAsync(
                new NewBacklogTask(
                    await StandardText.ReadAsync(invocation, invocation.Value(Text), "task", TaskLimits.DescriptionBytes, cancellationToken),
                    invocation.Value(Tags)?.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries),
                    invocation.Value(Role), invocation.Value(Priority)),
                cancellationToken),
            static (invocation, added) => ShowId(invocation, added.TaskId, "is in the backlog")),
        globals.Answer(
            "list", "What waits for an agent, oldest first", ["tt backlog list"], [],
            static async (invocation, cancellationToken) =>
            {
                var tasks = await invocation.Town.BacklogAsync(cancellationToken).ToListAsync(cancellationToken);
                return new BacklogList(tasks, tasks.Count);
            },
            static (invocation, list) => invocation.Screen.Answers.Write(TableOf(list.Backlog, invocation.Screen.Size.Columns))),
        globals.Answer(
            "claim", "Give one task of the backlog to an agent", ["tt backlog claim 01a20246-c08a-7000-be88-fcb50b9c6ef2 scout"], [Id, Agent],
            static (invocation, cancellationToken) => invocation.Town.ClaimAsync(invocation.Value(Id), invocation.Value(Agent), cancellationToken),
            AssignCommand.Show),
        globals.Answer(
            "assign-all", "Give the whole backlog to one agent", ["tt backlog assign-all scout"], [Agent],
            static (invocation, cancellationToken) => invocation.Town.AssignBacklogAsync(invocation.Value(Agent), cancellationToken),
            static (invocation, done) => invocation.Screen.Answers.MarkupLine(Looks.Done(
                $"[bold]{Looks.Counted(done.Assigned, "task")}[/] assigned{(done.More ? "; there are more: call again" : "")}"))),
        globals.Answer(
            "remove", "Withdraw a task of the backlog", ["tt backlog remove 01a20246-c08a-7000-be88-fcb50b9c6ef2"], [Id],
            static (invocation, cancellationToken) => invocation.Town.RemoveFromBacklogAsync(invocation.Value(Id), cancellationToken),
            static (invocation, removed) => invocation.Screen.Answers.MarkupLine(Looks.Done($"{removed.TaskId} is withdrawn"))));

    private static void ShowId(Invocation invocation, Guid id, string what)
    {
        if (invocation.Screen.OutIsTerminal)
        {
            invocation.Screen.Answers.MarkupLine(Looks.Done($"{id} {what}"));
        }
        else
        {
            invocation.Screen.Line(id.ToString());
        }
    }

    private static Spectre.Console.Rendering.IRenderable TableOf(IReadOnlyList<BacklogTask> tasks, int columns)
    {
        if (tasks.Count == 0)
        {
            return new Markup("[grey]The backlog is empty.[/]\n");
        }

        var table = Looks.Table("task", "tags", "what");
        foreach (var task in tasks)
        {
            table.AddRow(
                task.TaskId.ToString(), Markup.Escape(Printable.Cut(string.Join(", ", task.Tags), 24)),
                Markup.Escape(Printable.Cut(task.Description, Math.Clamp(columns - 74, 16, 120))));
        }

        return table;
    }
}
