using System.CommandLine;
using Spectre.Console;
using Townhall.Cli.Invoking;
using Townhall.Cli.Recovery;
using Townhall.Cli.Screens;
using Townhall.Client;

namespace Townhall.Cli.Agents;

/// <summary>What a person decides about an agent: noted at once, also while no worker exists.</summary>
internal static class MoveCommands
{
    private static readonly Argument<string> Agent = Words.AgentArgument();

    private static readonly Option<bool> Freeze = new("--freeze") { Description = "What runs stands still, too; its timeouts count on" };
    private static readonly Option<bool> Unfreeze = new("--unfreeze") { Description = "What runs goes on, while nothing more starts" };
    private static readonly Option<bool> All = new("--all") { Description = "Cold ones, too" };
    private static readonly Option<bool> DryRun = Words.DryRun();

    public static IEnumerable<Command> Create(GlobalOptions globals)
    {
        yield return globals.Answer(
            "pause", "Start nothing more; what runs goes on, or stands still with --freeze", ["tt pause scout", "tt pause scout --freeze"],
            [Agent, Freeze, Unfreeze],
            static (invocation, cancellationToken) => invocation.Value(Freeze) && invocation.Value(Unfreeze)
                ? throw CommandFailure.Usage("--freeze and --unfreeze contradict each other.")
                : invocation.Town.PauseAsync(
                    invocation.Value(Agent), invocation.Value(Freeze) ? true : invocation.Value(Unfreeze) ? false : null, cancellationToken),
            Write);
        yield return Move(globals, "interrupt", "Pause an agent", "tt interrupt scout", static (town, agent, stop) => town.InterruptAsync(agent, stop));
        yield return Move(globals, "resume", "Let a paused agent go on", "tt resume scout", static (town, agent, stop) => town.ResumeAsync(agent, stop));
        yield return Move(
            globals, "close", "Take nothing new; stop when what runs has ended", "tt close scout",
            static (town, agent, stop) => town.CloseAsync(agent, stop));
        yield return Move(
            globals, "kill", "End what runs without grace; its tasks stay its own", "tt kill scout",
            static (town, agent, stop) => town.KillAsync(agent, stop));
        yield return Move(
            globals, "restart", "Let a stopped agent, or one in error, begin again", "tt restart scout",
            static (town, agent, stop) => town.RestartAsync(agent, stop),
            Words.Dropped("--rounds", SpawnCommand.NoProcess), Words.Dropped("--foreground", SpawnCommand.NoProcess));
        yield return globals.Answer(
            "prune", "Remove agents that have ended and have no live task", ["tt prune --dry-run", "tt prune --all"], [All, DryRun],
            static (invocation, cancellationToken) => WholeAnswer.AskAsync(
                invocation.Screen, "agent",
                () => invocation.Town.PruneAsync(invocation.Value(All), invocation.Value(DryRun), cancellationToken),
                static pruned => (pruned.Removed, pruned is { More: true, DryRun: false }),
                static (all, part) => new PrunedAgents(all.Removed + part.Removed, [.. all.Agents, .. part.Agents], part.More)),
            static (invocation, pruned) =>
            {
                var console = invocation.Screen.Answers;
                console.MarkupLine(Looks.Done(
                    $"{(pruned.DryRun ? "Would remove" : "Removed")} [bold]{Looks.Counted(pruned.Removed, "agent")}[/]{WholeAnswer.Rest(pruned.More, pruned.DryRun)}"));
                foreach (var name in pruned.Agents)
                {
                    console.MarkupLine($"  {Looks.Text(name)}");
                }
            });
    }

    private static ExampledCommand Move(
        GlobalOptions globals, string name, string description, string example,
        Func<TownClient, string, CancellationToken, Task<ControlledAgent>> move, params Option[] dropped) => globals.Answer(
        name, description, [example], [Agent, .. dropped],
        (invocation, cancellationToken) => move(invocation.Town, invocation.Value(Agent), cancellationToken), Write);

    private static void Write(Invocation invocation, ControlledAgent agent)
    {
        var still = agent.Running == 0 ? "nothing runs" : agent.Running == 1 ? "one attempt still runs" : $"{agent.Running} attempts still run";
        invocation.Screen.Answers.MarkupLine(Looks.Done(
            $"[bold]{Looks.Text(agent.Agent)}[/] is {Looks.State(agent.Status)}{(agent.Frozen ? ", frozen" : "")}  [grey]{still}[/]"));
    }
}
