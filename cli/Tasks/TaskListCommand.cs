using System.CommandLine;
using Spectre.Console;
using Townhall.Cli.Invoking;
using Townhall.Cli.Screens;
using Townhall.Client;
using Townhall.Contracts.Tasks;

namespace Townhall.Cli.Tasks;

/// <summary><c>tt tasks</c>: tasks by state, agent and tag, newest first.</summary>
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

    private static readonly Option<int?> Limit = Words.Whole("--limit", ["-n"], "N", $"At most so many (default {Usual})", 1, 1_000_000);

    public static Command Create(GlobalOptions globals, string name) => globals.Answer(
        name, "Tasks by state, agent and tag",
        [Line(name, ""), Line(name, " --state failed,dead --agent scout"), Line(name, " -n 1000 --json | jq -r '.tasks[].task_id'")],
        [State, Agent, Tag, Limit], AskAsync, Show);

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
