using System.CommandLine;
using Spectre.Console;
using Townhall.Cli.Invoking;
using Townhall.Cli.Screens;
using Townhall.Client;
using Townhall.Contracts.Tasks;

namespace Townhall.Cli.Tasks;

/// <summary><c>tt assign</c>: gives an agent work. When it returns, the work is kept.</summary>
internal static class AssignCommand
{
    private static readonly Argument<string> Agent = Words.AgentArgument();

    private static readonly Argument<string> Text = new("TASK") { Description = "The task in words, or the script; - reads it from standard input" };

    private static readonly Option<int?> Priority = Words.Whole("--priority", [], "N", "-100 to 100, higher first within the agent (default 0)", -100, 100);
    private static readonly Option<int?> MaxAttempts = Words.Whole("--max-attempts", [], "N", "Attempts when it fails (default: the agent's)", 1, 100);
    private static readonly Option<double?> TimeoutSecs = new("--timeout-secs") { Description = "Longest attempt (default: the agent's)", HelpName = "SECS" };
    private static readonly Option<double?> TotalTimeoutSecs = new("--total-timeout-secs") { Description = "Longest from now to its end, all attempts together", HelpName = "SECS" };
    private static readonly Option<DateTimeOffset?> NotBefore = new("--not-before") { Description = "Earliest start", HelpName = "INSTANT" };
    private static readonly Option<DateTimeOffset?> Deadline = new("--deadline") { Description = "When it must have ended", HelpName = "INSTANT" };
    private static readonly Option<string?> ConcurrencyKey = new("--concurrency-key") { Description = "Tasks with the same key share its permits", HelpName = "KEY" };
    private static readonly Option<string?> RateKey = new("--rate-key") { Description = "Tasks with the same key share its rate", HelpName = "KEY" };
    private static readonly Option<string[]> Tags = new("--tag") { Description = "A word to find it by; may be given several times", HelpName = "TAG" };

    public static Command Create(GlobalOptions globals) => globals.Answer(
        "assign", "Give an agent a task",
        [
            "tt assign scout 'ls -l | wc -l'", "tt assign scout - <nightly.sh", "id=$(tt assign scout 'make test'); tt output \"$id\" -f",
            "tt assign scout 'pg_dump …' --concurrency-key disk --tag nightly --priority -10",
        ],
        [Agent, Text, Priority, MaxAttempts, TimeoutSecs, TotalTimeoutSecs, NotBefore, Deadline, ConcurrencyKey, RateKey, Tags],
        AskAsync, Show);

    private static async Task<AssignedTask> AskAsync(Invocation invocation, CancellationToken cancellationToken)
    {
        var text = await StandardText.ReadAsync(invocation, invocation.Value(Text), "task", TaskLimits.DescriptionBytes, cancellationToken);
        return await invocation.Town.AssignAsync(
            new NewAssignment(
                invocation.Value(Agent), text, invocation.Value(Tags) is { Length: > 0 } tags ? tags : null, invocation.Value(Priority),
                invocation.Value(MaxAttempts), invocation.Value(TimeoutSecs), invocation.Value(NotBefore), invocation.Value(Deadline),
                invocation.Value(TotalTimeoutSecs), ConcurrencyKey: invocation.Value(ConcurrencyKey), RateKey: invocation.Value(RateKey)),
            cancellationToken);
    }

    public static void Show(Invocation invocation, AssignedTask assigned)
    {
        if (invocation.Screen.OutIsTerminal)
        {
            invocation.Screen.Answers.MarkupLine(Looks.Done($"{assigned.TaskId}  [grey]follow it: tt output {assigned.TaskId} -f[/]"));
        }
        else
        {
            // For $(tt assign …): the id and nothing else.
            invocation.Screen.Line(assigned.TaskId.ToString());
        }
    }
}
