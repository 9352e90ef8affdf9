using System.CommandLine;
using Spectre.Console;
using Townhall.Cli.Invoking;
using Townhall.Cli.Screens;
using Townhall.Client;

namespace Townhall.Cli.Recovery;

/// <summary><c>tt recover</c> and <c>tt reclaim</c>: for what needs a decision, and for who does not want to wait.</summary>
internal static class RecoveryCommands
{
    /// <summary>The destination of what was only looked at.</summary>
    private const string Listed = "Listed";

    /// <summary>Tasks named in one answer, as the town does it.</summary>
    private const int ShownMost = 1000;

    private static readonly Option<bool> DryRun = Words.DryRun();
    private static readonly Option<bool> ToBacklog = new("--to-backlog") { Description = "They wait in the backlog for another agent" };
    private static readonly Option<string?> To = new("--to") { Description = "The agent that gets them", HelpName = Words.Agent };
    private static readonly Option<string?> From = new("--from") { Description = "Only of this agent, which must have ended", HelpName = Words.Agent };
    private static readonly Option<bool> Orphans = new("--orphan-tasks") { Description = "Tasks whose agent has ended or is gone, also waiting ones" };
    private static readonly Option<bool> Cancel = new("--cancel") { Description = "With --orphan-tasks: withdraw them" };
    private static readonly Option<bool> Delete = new("--delete") { Description = "With --orphan-tasks: the same; what was accepted never vanishes" };

    public static Command Recover(GlobalOptions globals) => globals.Answer(
        "recover", "End the leases of workers that are gone, instead of waiting for their end", ["tt recover --dry-run"], [DryRun],
        static async (invocation, cancellationToken) => await WholeAnswer.AskAsync(
            invocation.Screen, "agent", () => invocation.Town.RecoverAsync(invocation.Value(DryRun), cancellationToken),
            static recovered => (recovered.Recovered, false), static (_, part) => part),
        static (invocation, recovered) => invocation.Screen.Answers.MarkupLine(Looks.Done(
            $"{Looks.Counted(recovered.Checked, "agent")} at work, [bold]{Looks.Number(recovered.Recovered)}[/] "
            + $"{(recovered.DryRun ? "would be" : "were")} recovered{(recovered.Agents.Length > 0 ? $": {Looks.Text(string.Join(", ", recovered.Agents))}" : "")}")));

    public static Command Reclaim(GlobalOptions globals) => globals.Command(
        "reclaim", "Move tasks away from agents that have ended; without a destination they are only listed",
        ["tt reclaim", "tt reclaim --from scout --to ranger", "tt reclaim --to-backlog --dry-run", "tt reclaim --orphan-tasks --cancel"],
        [ToBacklog, To, From, Orphans, Cancel, Delete, DryRun], RunAsync);

    private static async Task<int> RunAsync(Invocation invocation, CancellationToken cancellationToken)
    {
        var withdraws = invocation.Value(Cancel) || invocation.Value(Delete);
        if (withdraws && (!invocation.Value(Orphans) || invocation.Value(ToBacklog) || invocation.Value(To) is not null
            || (invocation.Value(Cancel) && invocation.Value(Delete))))
        {
            throw CommandFailure.Usage("--cancel and --delete go with --orphan-tasks, alone, and without --to-backlog and --to.");
        }

        if (invocation.Value(Orphans) && (invocation.Value(To) is not null || invocation.Value(From) is not null))
        {
            throw CommandFailure.Usage("--orphan-tasks takes all orphans: --to and --from are for tt reclaim without it.");
        }

        if (invocation.Value(Orphans))
        {
            var action = invocation.Value(Cancel) ? "cancel" : invocation.Value(Delete) ? "delete"
                : invocation.Value(ToBacklog) ? "to_backlog" : "list";
            var orphans = await WholeAnswer.AskAsync(
                invocation.Screen, "task", () => invocation.Town.ReclaimOrphansAsync(action, invocation.Value(DryRun), cancellationToken),
                answer => (answer.Count, answer is { More: true, DryRun: false } && action != "list"),
                static (all, part) => part with { Count = all.Count + part.Count, Orphans = [.. all.Orphans.Concat(part.Orphans).Take(ShownMost)] });
            Write(invocation, orphans, orphans.Orphans, orphans.Count, action, orphans.More, orphans.DryRun || action == "list");
            return ExitCodes.Ok;
        }

        var reclaimed = await WholeAnswer.AskAsync(
            invocation.Screen, "task",
            () => invocation.Town.ReclaimAsync(
                invocation.Value(ToBacklog), invocation.Value(To), invocation.Value(From), invocation.Value(DryRun), cancellationToken),
            static answer => (answer.Reclaimed, answer is { More: true, DryRun: false } && answer.Destination != Listed),
            static (all, part) => part with
            {
                Reclaimed = all.Reclaimed + part.Reclaimed,
                Messages = all.Messages + part.Messages,
                Tasks = [.. (all.Tasks ?? []).Concat(part.Tasks ?? []).Take(ShownMost)],
            });
        Write(
            invocation, reclaimed, reclaimed.Tasks ?? [], reclaimed.Reclaimed, reclaimed.Destination, reclaimed.More,
            reclaimed.DryRun || reclaimed.Destination == Listed, reclaimed.Messages);
        return ExitCodes.Ok;
    }

    private static void Write<T>(Invocation invocation, T answer, OrphanTask[] tasks, int count, string what, bool more, bool onlyLooked, int messages = 0)
        where T : notnull
    {
        if (invocation.Json)
        {
            invocation.Screen.Json(answer);
            return;
        }

        var console = invocation.Screen.Answers;
        if (tasks.Length > 0)
        {
            var table = Looks.Table("task", "state", "was with", "because");
            foreach (var task in tasks)
            {
                table.AddRow(
                    task.TaskId.ToString(), Looks.State(task.State), Looks.Text(task.AgentName ?? task.AssignedTo?.ToString()), Looks.Text(task.Reason));
            }

            console.Write(table);
        }

        console.MarkupLine(Looks.Done(
            $"[bold]{Looks.Counted(count, "task")}[/]{(messages > 0 ? $" and {Looks.Counted(messages, "message")}" : "")} "
            + $"{(onlyLooked ? "found; nothing has changed" : $"→ {Looks.Text(what)}")}{WholeAnswer.Rest(more, onlyLooked)}"));
    }
}
