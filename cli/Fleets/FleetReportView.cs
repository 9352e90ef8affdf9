using System.Globalization;
using Spectre.Console;
using Townhall.Cli.Screens;
using Townhall.Cli.Tasks;

namespace Townhall.Cli.Fleets;

/// <summary>What a fleet brought, for people: each result, then how each task went.</summary>
internal static class FleetReportView
{
    public static void Write(Screen screen, IReadOnlyList<FleetTaskRun> runs, TimeSpan took)
    {
        var console = screen.Answers;
        console.WriteLine();
        foreach (var run in runs)
        {
            if (run.Seen is { Result: { Length: > 0 } result } seen)
            {
                ResultText.Write(screen, run.Plan.Title, result, seen);
            }
        }

        var table = Looks.Table("agent", "task", "state", "sandbox", "took", "exit").Right(4, 5);
        foreach (var run in runs)
        {
            table.AddRow(
                Markup.Escape(run.Plan.Agent.Name),
                Markup.Escape(Printable.Line(run.Plan.Title)),
                $"{Looks.Sign(run.State, "●")} {Looks.State(run.State)}",
                Looks.Text(run.Seen?.Sandbox),
                Looks.Seconds(run.Seen?.WallMs),
                run.Seen?.ExitCode?.ToString(CultureInfo.InvariantCulture) ?? "–");
        }

        console.Write(table);
        foreach (var run in runs.Where(static run => run.Seen?.FailureCode is not null))
        {
            console.MarkupLine(
                $"[red]✗[/] {Markup.Escape(run.Plan.Title)}: {Looks.Text(run.Seen!.FailureCode)}:"
                + $" {Markup.Escape(Printable.Line(run.Seen.FailureDetail ?? ""))}  [grey]tt output {run.Id}[/]");
        }

        var completed = runs.Count(static run => run.State == "completed");
        console.MarkupLine(
            $"{(completed == runs.Count ? "[green]✓[/]" : "[red]✗[/]")} [bold]{completed} of {runs.Count}[/] completed in {Looks.Seconds(took.TotalMilliseconds)}"
            + "  [grey]every step is on the ledger: tt ledger verify[/]");
    }
}
