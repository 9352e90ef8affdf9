using Spectre.Console;
using Spectre.Console.Rendering;
using Townhall.Cli.Screens;
using Townhall.Client;

namespace Townhall.Cli.Tasks;

/// <summary>Tasks as a table, one line each; the words of the task take what room is left.</summary>
internal static class TaskTable
{
    /// <summary>What the other columns and their frame take.</summary>
    private const int OtherColumns = 86;

    public static IRenderable Of(IReadOnlyCollection<TaskSummary> tasks, int columns)
    {
        if (tasks.Count == 0)
        {
            return new Markup("[grey]No tasks.[/]\n");
        }

        var table = Looks.Table("task", "state", "agent", "created", "what");
        var room = Math.Clamp(columns - OtherColumns, 16, 120);
        foreach (var task in tasks)
        {
            table.AddRow(
                task.TaskId.ToString(),
                task.State is { } state ? $"{Looks.Sign(state, "●")} {Looks.State(state)}" : "",
                task.AgentName is { } agent ? Markup.Escape(Printable.Cut(agent, 16)) : "[grey]–[/]",
                $"[grey]{(task.CreatedAt is { } at ? at.ToString("MM-dd HH:mm", System.Globalization.CultureInfo.InvariantCulture) : "")}[/]",
                Markup.Escape(Printable.Cut(task.Description, room)));
        }

        return table;
    }
}
