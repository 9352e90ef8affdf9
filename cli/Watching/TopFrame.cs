using System.Globalization;
using Spectre.Console;
using Spectre.Console.Rendering;
using Townhall.Cli.Screens;
using Townhall.Client;

namespace Townhall.Cli.Watching;

/// <summary>One frame of <c>tt top</c>: counts, what workers do, then the agents that have work, busiest first.</summary>
internal static class TopFrame
{
    /// <summary>Lines around the agents: head, counts, workers, frame of the table, and the hint.</summary>
    private const int OtherRows = 11;

    public static string Draw(Screen screen, TopView view, string? notice, int rows, bool hint)
    {
        var (columns, _) = screen.Size;
        var room = rows == int.MaxValue ? int.MaxValue : Math.Max(1, rows - OtherRows);
        var agents = view.Agents.OrderByDescending(static agent => agent.Running).ThenByDescending(static agent => agent.InboxLen)
            .ThenBy(static agent => agent.Name, StringComparer.Ordinal).Take(room).ToArray();
        List<IRenderable> parts =
        [
            new Markup($"[bold]{Looks.Text(view.Town)}[/]  [grey]{Now(screen)}[/]  {Looks.Number(view.AgentCount)} agents  {Rate(view)}"),
            new Markup($"{string.Join("   ", Counts(view.Tasks))}"),
            new Markup($"{Workers(view, columns)}"),
            new Markup(notice is null ? " " : $"[yellow]{Markup.Escape(Printable.Cut(notice, Math.Max(20, columns - 1)))}[/]"),
            Agents(agents, columns),
        ];
        if (view.AgentCount > agents.Length)
        {
            parts.Add(new Markup($"[grey]… and {Looks.Number(view.AgentCount - agents.Length)} more[/]"));
        }

        if (hint)
        {
            parts.Add(new Markup("[grey]q ends it; the work goes on[/]"));
        }

        return screen.Render(parts);
    }

    private static string Now(Screen screen) => screen.Clock.GetUtcNow().ToString("HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    private static string Rate(TopView view) => view.PerMinute is { } rate
        ? string.Create(CultureInfo.InvariantCulture, $"[bold]{(rate < 10 ? Math.Round(rate, 1) : Math.Round(rate))}[/] tasks a minute")
        : "";

    private static IEnumerable<string> Counts(TaskCounts tasks)
    {
        (string Word, long Count)[] all =
        [
            ("pending", tasks.Pending), ("assigned", tasks.Assigned), ("running", tasks.Running), ("waiting", tasks.Waiting),
            ("completed", tasks.Completed), ("failed", tasks.Failed), ("dead", tasks.Dead),
        ];
        return all.Select(static item => item.Count == 0 ? $"[grey]{item.Word} 0[/]" : $"{Looks.State(item.Word)} [bold]{Looks.Number(item.Count)}[/]");
    }

    private static string Workers(TopView view, int columns)
    {
        if (view.Scaling is not { } scaling)
        {
            return $"[grey]workers[/] {view.Workers}   [yellow]the scaler does not say more[/]";
        }

        var waits = scaling.OldestWaitingSecs is { } secs ? $"   [grey]oldest waits[/] {Looks.Seconds(secs * 1000)}" : "";
        var because = scaling.Reasons.Length > 0 && columns > 100 ? $"   [grey]{Markup.Escape(Printable.Cut(scaling.Reasons[0], columns - 90))}[/]" : "";
        return $"[grey]workers[/] [bold]{scaling.Workers.Active}[/] of {scaling.RecommendedWorkers}"
            + $"{(scaling.Workers.Draining > 0 ? $", {scaling.Workers.Draining} draining" : "")}"
            + $"   [grey]can start[/] {Looks.Number(scaling.StartableTasks)}{waits}{because}";
    }

    private static IRenderable Agents(IReadOnlyCollection<TownAgent> agents, int columns)
    {
        if (agents.Count == 0)
        {
            return new Markup("[grey]No agents yet: tt spawn NAME --cli sh[/]");
        }

        // The other columns and the frame take 68; what is left is for what the agent says.
        var words = Math.Clamp(columns - 68, 8, 100);
        var table = Looks.Table("agent", "state", "busy", "waiting", "done", "works on").Right(2, 3, 4);
        foreach (var agent in agents)
        {
            table.AddRow(
                Markup.Escape(Printable.Cut(agent.Name, 20)), Looks.State(agent.State), $"{agent.Running}/{agent.MaxConcurrency}",
                Looks.Number(agent.InboxLen), Looks.Number(agent.TasksCompleted),
                agent.CurrentScope is { } scope ? Markup.Escape(Printable.Cut(scope, words)) : "");
        }

        return table;
    }
}
