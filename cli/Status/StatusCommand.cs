using System.CommandLine;
using System.Text.Json.Serialization;
using Spectre.Console;
using Townhall.Cli.Invoking;
using Townhall.Cli.Screens;
using Townhall.Cli.Tasks;
using Townhall.Client;

namespace Townhall.Cli.Status;

/// <summary>The town's own document, with the tasks that have not ended where they were asked for.</summary>
internal sealed record DetailedStatus(
    string Name, string Root, string? RedisUrl, long AgentCount, TownAgent[] Agents, TaskCounts Tasks, int Workers,
    HeldSnapshot? OldestSnapshot, string? NextCursor, string[] Troubles,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] DeepStatus? Deep,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] TaskSummary[]? OpenTasks);

/// <summary><c>tt status</c>: the whole town on one screen.</summary>
internal static class StatusCommand
{
    private const int OpenTasksShown = 50;

    private static readonly Option<bool> Tasks = new("--tasks") { Description = "With the tasks that run or wait, newest first" };
    private static readonly Option<bool> Deep = new("--deep") { Description = "With every worker and what it holds" };

    public static Command Create(GlobalOptions globals) => globals.Answer(
        "status", "The town on one screen: tasks by state, workers, agents", ["tt status", "tt status --deep", "tt status --json | jq .tasks"], [Tasks, Deep],
        AskAsync, Show);

    private static async Task<DetailedStatus> AskAsync(Invocation invocation, CancellationToken cancellationToken)
    {
        var status = await invocation.Town.StatusAsync(invocation.Value(Deep), cancellationToken);
        var open = invocation.Value(Tasks)
            ? await invocation.Town.TaskPageAsync(
                new TaskQuery { States = ["running", "waiting", "assigned", "pending"], Limit = OpenTasksShown }, cancellationToken)
            : null;
        return new DetailedStatus(
            status.Name, status.Root, status.RedisUrl, status.AgentCount, status.Agents, status.Tasks, status.Workers,
            status.OldestSnapshot, status.NextCursor, status.Troubles ?? [], status.Deep, open?.Tasks);
    }

    private static void Show(Invocation invocation, DetailedStatus status)
    {
        var console = invocation.Screen.Answers;
        console.MarkupLine($"[bold]{Looks.Text(status.Name)}[/]  {Looks.Text(status.Root)}");
        console.MarkupLine(string.Join("   ", Counts(status.Tasks)));
        console.MarkupLine(status.Workers == 0
            ? "[grey]workers 0[/]"
            : $"[grey]workers[/] {Looks.Number(status.Workers)}");
        foreach (var trouble in status.Troubles)
        {
            console.MarkupLine($"[red]![/] {Looks.Text(trouble)}");
        }

        if (status.OldestSnapshot is { Alarm: true } held)
        {
            console.MarkupLine(
                $"[yellow]![/] a snapshot of the database is held for {Looks.Seconds(held.AgeSecs * 1000)} by {Looks.Text(held.Application)} ({Looks.Text(held.Role)})");
        }

        console.WriteLine();
        console.Write(AgentTable.Of(status.Agents));
        if (status.AgentCount > status.Agents.Length)
        {
            console.MarkupLine($"[grey]{Looks.Number(status.Agents.Length)} of {Looks.Number(status.AgentCount)} agents; all of them: tt list[/]");
        }

        if (status.Deep is { } deep)
        {
            console.WriteLine();
            console.Write(WorkerTable.Of(deep, invocation.Clock.GetUtcNow().UtcDateTime));
        }

        if (status.OpenTasks is { } open)
        {
            console.WriteLine();
            console.Write(TaskTable.Of(open, invocation.Screen.Size.Columns));
        }
    }

    private static IEnumerable<string> Counts(TaskCounts tasks)
    {
        (string Word, long Count)[] all =
        [
            ("pending", tasks.Pending), ("assigned", tasks.Assigned), ("running", tasks.Running), ("waiting", tasks.Waiting),
            ("completed", tasks.Completed), ("failed", tasks.Failed), ("cancelled", tasks.Cancelled), ("dead", tasks.Dead),
        ];

        // Zeros stay: that nothing is dead is an answer too. They step back.
        return all.Select(static item => item.Count == 0
            ? $"[grey]{item.Word} 0[/]"
            : $"{Looks.State(item.Word)} [bold]{Looks.Number(item.Count)}[/]");
    }
}
