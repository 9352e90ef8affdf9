using System.CommandLine;
using Spectre.Console;
using Townhall.Cli.Invoking;
using Townhall.Cli.Screens;
using Townhall.Client;
using Townhall.Contracts.Tasks;

namespace Townhall.Cli.Tasks;

/// <summary><c>tt tasks</c>: tasks by state, agent, tag and time.</summary>
internal static class TaskListCommand
{
    private const int Usual = 50;
    private const int PageMost = 500;

    private static readonly string[] StateWords = [.. Enum.GetValues<TaskState>().Select(static state => TaskLifecycle.Word(state))];

    private static readonly Option<string?> State = new("--state")
    {
        Description = $"One or more states, comma separated: {string.Join(", ", StateWords)}",
        HelpName = "STATES",
        CompletionSources = { StateWords },
    };

    private static readonly Option<string?> Agent = new("--agent", "-a") { Description = "Only of this agent", HelpName = Words.Agent };
    private static readonly Option<string?> Tag = new("--tag") { Description = "Only with this tag", HelpName = "TAG" };

    private static readonly Option<DateTimeOffset?> CreatedAfter = new("--created-after") { Description = "Accepted after", HelpName = "INSTANT" };
    private static readonly Option<DateTimeOffset?> CreatedBefore = new("--created-before") { Description = "Accepted before", HelpName = "INSTANT" };
    private static readonly Option<DateTimeOffset?> EndedAfter = new("--ended-after") { Description = "Ended after", HelpName = "INSTANT" };
    private static readonly Option<DateTimeOffset?> EndedBefore = new("--ended-before") { Description = "Ended before", HelpName = "INSTANT" };
    private static readonly Option<Guid?> RetryOf = new("--retry-of") { Description = "Only retries of this task", HelpName = Words.Task };
    private static readonly Option<bool> Oldest = new("--oldest") { Description = "Oldest first (default: newest first)" };

    private static readonly Option<int?> Limit = Words.Whole("--limit", ["-n"], "N", $"At most so many (default {Usual})", 1, 1_000_000);

    public static Command Create(GlobalOptions globals, string name) => globals.Answer(
        name, "Tasks by state, agent, tag and time",
        [Line(name, ""), Line(name, " --state failed,dead --agent scout"), Line(name, " --state failed --ended-after 2026-01-02T00:00Z --oldest"), Line(name, " -n 1000 --json | jq -r '.tasks[].task_id'")],
        [State, Agent, Tag, CreatedAfter, CreatedBefore, EndedAfter, EndedBefore, RetryOf, Oldest, Limit], AskAsync, Show);

    private static string Line(string name, string options) => $"tt {(name == "list" ? "task list" : name)}{options}";

    private static async Task<TaskList> AskAsync(Invocation invocation, CancellationToken cancellationToken)
    {
        var states = (invocation.Value(State) ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (states.FirstOrDefault(static state => !StateWords.Contains(state, StringComparer.Ordinal)) is { } unknown)
        {
            throw CommandFailure.Usage($"There is no state '{unknown}'.{DidYouMean.Question(unknown, StateWords)} States are {string.Join(", ", StateWords)}.");
        }

        var most = invocation.Value(Limit) ?? Usual;
        var query = new TaskQuery
        {
            States = states,
            Agent = invocation.Value(Agent),
            Tag = invocation.Value(Tag),
            CreatedAfter = invocation.Value(CreatedAfter),
            CreatedBefore = invocation.Value(CreatedBefore),
            EndedAfter = invocation.Value(EndedAfter),
            EndedBefore = invocation.Value(EndedBefore),
            RetryOf = invocation.Value(RetryOf),
            OldestFirst = invocation.Value(Oldest),
            Limit = Math.Min(most, PageMost),
        };
        var tasks = await invocation.Town.TasksAsync(query, cancellationToken).Take(most).ToListAsync(cancellationToken);
        return new TaskList(tasks, tasks.Count);
    }

    private static void Show(Invocation invocation, TaskList list)
    {
        invocation.Screen.Answers.Write(TaskTable.Of([.. list.Tasks], invocation.Screen.Size.Columns));
        if (list.Count == (invocation.Value(Limit) ?? Usual))
        {
            invocation.Screen.Notice($"The first {list.Count}; more with --limit.");
        }
    }
}
