using System.CommandLine;
using Spectre.Console;
using Townhall.Cli.Invoking;
using Townhall.Cli.Screens;
using Townhall.Cli.Town;

namespace Townhall.Cli.Status;

/// <summary><c>tt status</c>: the whole town on one screen.</summary>
internal static class StatusCommand
{
    public static Command Create(GlobalOptions globals) =>
        globals.Command("status", "The town on one screen: tasks by state, workers, agents", [], RunAsync);

    private static async Task<int> RunAsync(Invocation invocation, CancellationToken cancellationToken)
    {
        var status = await invocation.Town.StatusAsync(cancellationToken);
        if (invocation.Json)
        {
            invocation.Screen.Json(status, TownJson.Readable.TownStatus);
            return ExitCodes.Ok;
        }

        var console = invocation.Screen.Answers;
        console.MarkupLine($"[bold]{Looks.Text(status.Name)}[/]  {Looks.Text(status.Root)}");
        console.MarkupLine(string.Join("   ", Counts(status.Tasks)));
        console.MarkupLine(status.Workers == 0
            ? "[grey]workers 0[/]"
            : $"[grey]workers[/] {Looks.Number(status.Workers)}");
        console.WriteLine();
        console.Write(AgentTable.Of(status.Agents));
        if (status.AgentCount > status.Agents.Length)
        {
            console.MarkupLine($"[grey]{Looks.Number(status.Agents.Length)} of {Looks.Number(status.AgentCount)} agents; all of them: tt agents[/]");
        }

        return ExitCodes.Ok;
    }

    private static IEnumerable<string> Counts(TaskCounts tasks)
    {
        (string Word, long Count)[] all =
        [
            ("pending", tasks.Pending), ("assigned", tasks.Assigned), ("running", tasks.Running), ("waiting", tasks.Waiting),
            ("completed", tasks.Completed), ("failed", tasks.Failed), ("cancelled", tasks.Cancelled), ("dead", tasks.Dead),
        ];

        // Zeros stay: that nothing is dead is an answer too. They step back.
        return all.Select(static item => item.Count == 0
            ? $"[grey]{item.Word} 0[/]"
            : $"{Looks.State(item.Word)} [bold]{Looks.Number(item.Count)}[/]");
    }
}
