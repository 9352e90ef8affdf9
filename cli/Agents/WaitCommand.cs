using System.CommandLine;
using System.Globalization;
using Spectre.Console;
using Townhall.Cli.Invoking;
using Townhall.Cli.Screens;
using Townhall.Client;
using Townhall.Client.Following;

namespace Townhall.Cli.Agents;

/// <summary><c>tt wait</c>: until an agent has nothing left to do. It only looks: leaving it changes nothing.</summary>
internal static class WaitCommand
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(500);
    private static readonly Argument<string> Agent = Words.AgentArgument();

    private static readonly Option<int?> TimeoutSecs = Words.Whole(
        "--timeout", [], "SECS", "Look no longer than that, and end with 8 (default: as long as it takes)", 1, 604_800);

    public static Command Create(GlobalOptions globals) => globals.Command(
        "wait", "Wait until an agent has nothing left to do", ["tt wait scout --timeout 600 && tt task list --agent scout"], [Agent, TimeoutSecs], RunAsync);

    private static async Task<int> RunAsync(Invocation invocation, CancellationToken cancellationToken)
    {
        var clock = invocation.Clock;
        var began = clock.GetTimestamp();
        var bound = invocation.Value(TimeoutSecs) is { } secs ? TimeSpan.FromSeconds(secs) : (TimeSpan?)null;
        var reference = invocation.Value(Agent);
        var agent = await invocation.Town.AgentAsync(reference, cancellationToken);
        var patience = new Patience(clock, invocation.Screen.Notice, met: true);
        await BusyLine.WhileAsync(invocation.Screen, () => Says(agent), async () =>
        {
            using var pace = new PeriodicTimer(LookEvery, clock);
            while (IsBusy(agent))
            {
                if (bound is { } most && clock.GetElapsedTime(began) > most)
                {
                    throw new CommandFailure(
                        ExitCodes.Timeout, "late",
                        string.Create(CultureInfo.InvariantCulture, $"After {most.TotalSeconds:0} s {Says(agent)}; it works on."));
                }

                await pace.WaitForNextTickAsync(cancellationToken);
                try
                {
                    // By id: while we wait somebody may take its name away.
                    agent = await invocation.Town.AgentAsync(agent.Id.ToString(), cancellationToken);
                    patience.Regained();
                }
                catch (TownException away) when (patience.Accepts(away))
                {
                    await patience.WaitAsync(cancellationToken);
                }
            }
        });

        if (invocation.Json)
        {
            invocation.Screen.Json(agent);
        }
        else
        {
            invocation.Screen.Answers.MarkupLine(Looks.Done(
                $"[bold]{Looks.Text(agent.Name)}[/] is {Looks.State(agent.State)}; {Looks.Counted(agent.TasksCompleted, "task")} done"));
        }

        return agent.InboxLen > 0 ? ExitCodes.Failed : ExitCodes.Ok;
    }

    /// <summary>An agent that has stopped does nothing more, whatever waits for it.</summary>
    private static bool IsBusy(TownAgent agent) => agent.Running > 0 || (agent.InboxLen > 0 && agent.State is not ("Stopped" or "Error"));

    private static string Says(TownAgent agent) => string.Create(
        CultureInfo.InvariantCulture,
        $"{Printable.Line(agent.Name)} is {agent.State.ToLowerInvariant()}: {agent.Running} running, {agent.InboxLen} waiting");
}
