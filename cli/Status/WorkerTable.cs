using Spectre.Console;
using Spectre.Console.Rendering;
using Townhall.Cli.Screens;
using Townhall.Client;

namespace Townhall.Cli.Status;

/// <summary>Workers as a table, each with the tasks it holds below it.</summary>
internal static class WorkerTable
{
    private const int TextMost = 40;

    /// <param name="now">What the ages are counted to.</param>
    public static IRenderable Of(DeepStatus deep, DateTime now)
    {
        if (deep.Workers.Length == 0)
        {
            return new Markup("[grey]No workers; they start when there is work.[/]\n");
        }

        var held = deep.Running.ToLookup(static task => task.WorkerId);
        var table = Looks.Table("worker", "state", "holds", "sandbox", "seen");
        foreach (var worker in deep.Workers)
        {
            table.AddRow(
                $"[bold]{Markup.Escape(Printable.Cut(worker.Name, TextMost))}[/]", Looks.State(worker.State), $"{worker.Holding}/{worker.Slots}",
                Looks.Text(worker.Sandbox), $"{Looks.Seconds(Math.Max(0, (now - worker.SeenAt).TotalMilliseconds))} ago");
            foreach (var task in held[worker.Id])
            {
                table.AddRow(
                    $"  [grey]{task.TaskId}[/]", $"[grey]attempt {task.Attempt}[/]", "", Looks.Text(task.AgentName is { } agent ? Printable.Cut(agent, 16) : null),
                    task.LeasedAt is { } since ? $"[grey]for {Looks.Seconds(Math.Max(0, (now - since).TotalMilliseconds))}[/]" : "");
            }
        }

        return table;
    }
}
