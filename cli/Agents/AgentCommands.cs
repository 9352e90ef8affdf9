using System.CommandLine;
using Spectre.Console;
using Townhall.Cli.Invoking;
using Townhall.Cli.Screens;
using Townhall.Cli.Status;
using Townhall.Client;

namespace Townhall.Cli.Agents;

/// <summary><c>tt list</c>, <c>tt agent</c> and <c>tt agent set</c>: agents as they are, and what may be changed of them.</summary>
internal static class AgentCommands
{
    private static readonly Argument<string> Agent = Words.AgentArgument();
    private static readonly Option<int?> MaxConcurrency = Words.Whole("--max-concurrency", [], "N", "Tasks it works on at once", 1, 1024);
    private static readonly Option<int?> MaxAttempts = Words.Whole("--max-attempts", [], "N", "Attempts of tasks accepted from now on", 1, 100);
    private static readonly Option<int?> Weight = Words.Whole("--weight", [], "N", "Its share of turns among its tenant's agents", 1, 100);
    private static readonly Option<string?> Tenant = new("--tenant") { Description = "Whose turns its turns are", HelpName = "NAME" };
    private static readonly Option<string?> Nickname = new("--nickname") { Description = "What people call it; empty takes it away", HelpName = "NAME" };

    private static readonly Option<string?> Role = new("--role") { Description = "Which work of the backlog it gets; empty takes it away", HelpName = "ROLE" };

    private static readonly Option<double?> TimeoutSecs = new("--timeout-secs")
    {
        Description = "Longest attempt of tasks accepted from now on; 0 for none",
        HelpName = "SECS",
    };

    public static Command List(GlobalOptions globals) => globals.Answer(
        "list", "Every agent of the town", ["tt list", "tt list --json | jq -r '.agents[] | select(.state == \"Idle\") | .name'"], [],
        static async (invocation, cancellationToken) =>
        {
            var agents = await invocation.Town.AgentsAsync(cancellationToken).ToListAsync(cancellationToken);
            return new AgentList(agents, agents.Count);
        },
        static (invocation, list) => invocation.Screen.Answers.Write(AgentTable.Of([.. list.Agents]))).Also("agents");

    public static Command Show(GlobalOptions globals)
    {
        var show = globals.Answer(
            "agent", "One agent: what it runs, how it stands, what it may do", ["tt agent scout", "tt agent set scout --max-concurrency 4"], [Agent],
            static (invocation, cancellationToken) => invocation.Town.AgentAsync(invocation.Value(Agent), cancellationToken), Write);
        show.Add(Set(globals));
        return show;
    }

    private static ExampledCommand Set(GlobalOptions globals) => globals.Answer(
        "set", "Change an agent; what is not named stays", ["tt agent set scout --max-concurrency 4", "tt agent set scout --timeout-secs 600 --nickname Ada"],
        [Agent, MaxConcurrency, MaxAttempts, TimeoutSecs, Weight, Tenant, Nickname, Role],
        static (invocation, cancellationToken) =>
        {
            Option[] all = [MaxConcurrency, MaxAttempts, TimeoutSecs, Weight, Tenant, Nickname, Role];
            return all.Any(invocation.Says)
                ? invocation.Town.ChangeAgentAsync(
                    invocation.Value(Agent),
                    new AgentChange
                    {
                        MaxConcurrency = invocation.Value(MaxConcurrency),
                        MaxAttempts = invocation.Value(MaxAttempts),
                        TimeoutSecs = invocation.Value(TimeoutSecs),
                        Weight = invocation.Value(Weight),
                        Tenant = invocation.Value(Tenant),
                        Nickname = invocation.Value(Nickname),
                        RoleId = invocation.Value(Role),
                    },
                    cancellationToken)
                : throw CommandFailure.Usage($"Say what to change: {string.Join(", ", all.Select(static option => option.Name))}.");
        },
        Write);

    private static void Write(Invocation invocation, TownAgent agent) => invocation.Screen.Answers.Write(Looks.Facts(
        ("agent", $"[bold]{Looks.Text(agent.Name)}[/]"),
        ("id", agent.Id.ToString()),
        ("nickname", Looks.Text(agent.Nickname)),
        ("role", Looks.Text(agent.RoleId)),
        ("state", Looks.State(agent.State) + (agent.Frozen ? " [yellow]frozen[/]" : "")),
        ("runs", $"{Looks.Text(agent.Cli)} [grey]({Looks.Text(agent.Runtime)}, {Looks.Text(agent.TrustLevel)})[/]"),
        ("works on", Looks.Text(agent.CurrentScope)),
        ("busy", $"{agent.Running} of {agent.MaxConcurrency}"),
        ("waiting", Looks.Number(agent.InboxLen)),
        ("done", $"{Looks.Number(agent.TasksCompleted)} tasks, {Looks.Number(agent.RoundsCompleted)} runs"),
        ("attempts", agent.MaxAttempts.ToString(System.Globalization.CultureInfo.InvariantCulture)),
        ("timeout", agent.TimeoutSecs is { } secs ? Looks.Seconds(secs * 1000) : "none"),
        ("share", $"{agent.Weight} of tenant {Looks.Text(agent.Tenant)}"),
        ("made", Looks.Instant(agent.CreatedAt)),
        ("last active", Looks.Instant(agent.LastActiveAt))));
}
