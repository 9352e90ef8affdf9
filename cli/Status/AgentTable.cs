using Spectre.Console;
using Spectre.Console.Rendering;
using Townhall.Cli.Screens;
using Townhall.Client;

namespace Townhall.Cli.Status;

/// <summary>Agents as a table, one line each.</summary>
internal static class AgentTable
{
    private const int CliMost = 32;
    private const int ScopeMost = 48;

    public static IRenderable Of(IReadOnlyCollection<TownAgent> agents)
    {
        if (agents.Count == 0)
        {
            return new Markup("[grey]No agents yet: tt spawn NAME --cli sh[/]\n");
        }

        var table = Looks.Table("agent", "state", "runs", "busy", "waiting", "done", "works on").Right(3, 4, 5);
        foreach (var agent in agents)
        {
            table.AddRow(
                Markup.Escape(Printable.Line(agent.Name)),
                Looks.State(agent.State),
                $"[grey]{Markup.Escape(Printable.Cut(agent.Cli, CliMost))}[/]",
                $"{agent.Running}/{agent.MaxConcurrency}",
                Looks.Number(agent.InboxLen),
                Looks.Number(agent.TasksCompleted),
                agent.CurrentScope is { } scope ? Markup.Escape(Printable.Cut(scope, ScopeMost)) : "");
        }

        return table;
    }
}
