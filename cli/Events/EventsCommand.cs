using System.CommandLine;
using System.Reflection;
using Townhall.Cli.Invoking;
using Townhall.Client;
using Townhall.Contracts.Ledger;

namespace Townhall.Cli.Events;

/// <summary><c>tt events</c>: what happened, and with <c>-f</c> what happens; each event once, in order.</summary>
internal static class EventsCommand
{
    private static readonly string[] Known =
    [
        .. typeof(Actions).GetFields(BindingFlags.Public | BindingFlags.Static)
            .Select(static word => word.GetRawConstantValue()).OfType<string>().Order(StringComparer.Ordinal),
    ];

    /// <summary>Shown without <c>--after</c> and <c>-f</c>.</summary>
    private const int LastShown = 20;

    private static readonly Option<bool> Follow = new("--follow", "-f") { Description = "Go on with what happens from now on, until Ctrl-C" };

    private static readonly Option<long?> After = new("--after")
    {
        Description = $"Begin behind this event; 0 is the beginning (default: the last {LastShown}, with -f from now on)",
        HelpName = "N",
        Validators = { Words.Bounds<long>(static after => after >= 0, "--after must be 0 or more.") },
    };

    private static readonly Option<int?> Count = Words.Whole("--count", ["-c"], "N", $"The last so many (default {LastShown})", 1, 100_000);
    private static readonly Option<string?> Agent = new("--agent", "-a") { Description = "Only about this agent, by name or id", HelpName = Words.Agent };
    private static readonly Option<Guid?> Task = new("--task") { Description = "Only about this task", HelpName = Words.Task };
    private static readonly Option<string?> Action = new("--action") { Description = "Only these, comma separated, as TaskCompleted", HelpName = "ACTIONS", CompletionSources = { Known } };

    public static Command Create(GlobalOptions globals) => globals.Command(
        "events", "What happened in the town, and with -f what happens",
        ["tt events", "tt events -f --agent scout", "tt events -f --action TaskFailed --json | jq -r .task_id", "tt events --after 0 --task TASK-ID"],
        [
            Follow, After, Count, Agent, Task, Action,
            Words.Dropped("--mission", "towns have no missions yet. Say --task, --agent or --action."),
        ],
        RunAsync);

    private static async Task<int> RunAsync(Invocation invocation, CancellationToken cancellationToken)
    {
        var query = new EventQuery
        {
            After = invocation.Value(After),
            Agent = invocation.Value(Agent),
            Task = invocation.Value(Task),
            Actions = (invocation.Value(Action) ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries),
        };
        // A word only: the town may be newer and do more than is known here.
        foreach (var unknown in query.Actions.Where(static action => !Known.Contains(Word(action), StringComparer.OrdinalIgnoreCase)))
        {
            invocation.Screen.Notice($"No action {unknown} is known.{DidYouMean.Question(Word(unknown), Known)}");
        }

        if (invocation.Value(Follow))
        {
            if (invocation.Says(Count))
            {
                query = query with { After = await EventPast.BehindLastAsync(invocation.Town, invocation.Value(Count)!.Value, cancellationToken) };
            }

            await foreach (var item in invocation.Town.FollowEventsAsync(query, invocation.Screen.Notice, cancellationToken))
            {
                EventLine.Write(invocation, item);
            }

            return ExitCodes.Ok;
        }

        if (query.After is null)
        {
            var last = await EventPast.LastAsync(
                invocation.Town, entry => Matches(query, entry), invocation.Value(Count) ?? LastShown, cancellationToken);
            EventPast.Write(invocation, last);
            SayNothing(invocation, last.Count);
            return ExitCodes.Ok;
        }

        var shown = 0;
        await foreach (var entry in EventPast.FromAsync(invocation.Town, query.After.Value, cancellationToken))
        {
            if (Matches(query, entry))
            {
                shown++;
                EventLine.Write(invocation, EventPast.Event(entry));
            }
        }

        SayNothing(invocation, shown);
        return ExitCodes.Ok;
    }

    private static void SayNothing(Invocation invocation, int shown)
    {
        if (shown == 0 && !invocation.Json)
        {
            invocation.Screen.Notice("No event was found.");
        }
    }

    private static string Word(string action) => action.Replace("_", "", StringComparison.Ordinal);

    /// <summary>What the stream's filters would say, about entries that were read as pages.</summary>
    private static bool Matches(EventQuery query, LedgerRow entry) =>
        (query.Agent is null || string.Equals(entry.AgentName, query.Agent, StringComparison.OrdinalIgnoreCase)
            || (Guid.TryParse(query.Agent, out var id) && entry.AgentId == id))
        && (query.Task is null || entry.TaskId == query.Task)
        && (query.Actions.Count == 0
            || query.Actions.Any(action => string.Equals(Word(action), entry.Action, StringComparison.OrdinalIgnoreCase)));
}
