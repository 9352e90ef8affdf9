using System.CommandLine;
using Spectre.Console;
using Townhall.Cli.Invoking;
using Townhall.Cli.Screens;
using Townhall.Client;
using Townhall.Client.Following;

namespace Townhall.Cli.Tasks;

/// <summary><c>tt bulk</c>: cancels, retries or reassigns many tasks; looks first, then does exactly what was seen.</summary>
internal static class BulkCommand
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(500);

    private static readonly Option<string?> State = new("--state") { Description = "States, comma separated", HelpName = "STATES" };
    private static readonly Option<string?> Agent = new("--agent", "-a") { Description = "Only of this agent", HelpName = Words.Agent };
    private static readonly Option<string?> Tag = new("--tag") { Description = "Only with this tag", HelpName = "TAG" };
    private static readonly Option<DateTimeOffset?> After = new("--created-after") { Description = "Accepted after", HelpName = "INSTANT" };
    private static readonly Option<DateTimeOffset?> Before = new("--created-before") { Description = "Accepted before", HelpName = "INSTANT" };
    private static readonly Option<string?> FailureCode = new("--failure-code") { Description = "Only what failed so", HelpName = "CODE" };
    private static readonly Option<bool> Yes = new("--yes", "-y") { Description = "Do it; without it they are only counted" };

    private static readonly Option<string> To = new("--to") { Description = "The agent that gets them", HelpName = Words.Agent, Required = true };

    public static Command Create(GlobalOptions globals) => GlobalOptions.Group(
        "bulk", "Cancel, retry or reassign many tasks at once",
        One(globals, "cancel", "Withdraw tasks", "tt bulk cancel --agent scout --yes", [State, Agent, Tag, After, Before, Yes], null),
        One(globals, "retry", "Do ended tasks again", "tt bulk retry --failure-code workers_lost", [State, Agent, Tag, After, Before, FailureCode, Yes], null),
        One(globals, "reassign", "Give tasks to another agent", "tt bulk reassign --agent scout --to ranger --yes", [To, State, Agent, Tag, After, Before, Yes], To));

    private static ExampledCommand One(
        GlobalOptions globals, string action, string description, string example, Symbol[] symbols, Option<string>? to) =>
        globals.Command(action, description, [example], symbols, (invocation, cancellationToken) =>
            RunAsync(invocation, action, to is null ? null : invocation.Value(to), symbols.Contains(FailureCode), cancellationToken));

    private static async Task<int> RunAsync(
        Invocation invocation, string action, string? to, bool knowsFailures, CancellationToken cancellationToken)
    {
        var states = invocation.Value(State)?.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        var filter = new BulkFilter(
            states, invocation.Value(Agent), invocation.Value(Tag), invocation.Value(After), invocation.Value(Before),
            knowsFailures ? invocation.Value(FailureCode) : null);
        var draft = await invocation.Town.DraftBulkAsync(action, filter == new BulkFilter() ? null : filter, to, cancellationToken);
        if (!invocation.Value(Yes) || draft.Count == 0)
        {
            ShowDraft(invocation, action, draft);
            return ExitCodes.Ok;
        }

        var progress = await invocation.Town.ConfirmBulkAsync(draft.ConfirmToken, cancellationToken);
        try
        {
            progress = await FollowAsync(invocation, progress, cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            invocation.Screen.Notice($"The town goes on with it: {progress.BulkId}");
            throw;
        }

        if (invocation.Json)
        {
            invocation.Screen.Json(progress);
        }
        else
        {
            var reasons = string.Join(", ", progress.Reasons.Select(static reason => $"{reason.Key} {reason.Value}"));
            invocation.Screen.Answers.MarkupLine(
                $"{(progress.Failed == 0 ? "[green]✓[/]" : "[red]✗[/]")} {action}: [bold]{Looks.Number(progress.Done)}[/] done, "
                + $"{Looks.Number(progress.Skipped)} skipped, {Looks.Number(progress.Failed)} failed"
                + (reasons.Length > 0 ? $" [grey]({Looks.Text(reasons)})[/]" : ""));
        }

        return progress.Failed == 0 ? ExitCodes.Ok : ExitCodes.Failed;
    }

    private static void ShowDraft(Invocation invocation, string action, BulkDraft draft)
    {
        if (invocation.Json)
        {
            invocation.Screen.Json(draft);
            return;
        }

        var console = invocation.Screen.Answers;
        console.MarkupLine($"{action} would take [bold]{Looks.Counted(draft.Count, "task")}[/]; nothing has changed{(draft.Count > 0 ? ". Do it with --yes" : "")}");
        if (draft.Count > 0)
        {
            console.Write(TaskTable.Of(
                [.. draft.Sample.Select(static task => new TaskSummary(
                    task.TaskId, task.Description, task.State, task.AgentId, task.AgentName, CreatedAt: task.CreatedAt))],
                invocation.Screen.Size.Columns));
        }
    }

    private static async Task<BulkProgress> FollowAsync(Invocation invocation, BulkProgress progress, CancellationToken cancellationToken)
    {
        var clock = invocation.Clock;
        var patience = new Patience(clock, invocation.Screen.Notice, met: true);

        return await WorkBar.WhileAsync(invocation.Screen, $"{progress.Action} {Looks.Counted(progress.Total, "task")}", progress.Total, async seen =>
        {
            using var pace = new PeriodicTimer(LookEvery, clock);
            while (progress.State != "finished")
            {
                await pace.WaitForNextTickAsync(cancellationToken);
                try
                {
                    progress = await invocation.Town.BulkAsync(progress.BulkId, cancellationToken);
                    patience.Regained();
                    seen(progress.Done + progress.Skipped + progress.Failed);
                }
                catch (TownException away) when (patience.Accepts(away))
                {
                    await patience.WaitAsync(cancellationToken);
                }
            }

            return progress;
        });
    }
}
