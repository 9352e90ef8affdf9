using System.CommandLine;
using Spectre.Console;
using Townhall.Cli.Invoking;
using Townhall.Cli.Screens;

namespace Townhall.Cli.Hosting;

/// <summary>One thing that was looked at.</summary>
/// <param name="Verdict"><c>ok</c>, <c>warning</c>, <c>failed</c>, or <c>skipped</c> where it could not be looked at.</param>
/// <param name="Remedy">What to do about it; null when nothing.</param>
internal sealed record Check(string Name, string Verdict, string Detail, string? Remedy = null);

/// <param name="Healthy">True when nothing failed.</param>
internal sealed record DoctorReport(string Url, bool Healthy, IReadOnlyList<Check> Checks);

/// <summary><c>tt doctor</c>: whether a town can work, and what to do where it cannot.</summary>
internal static class DoctorCommand
{
    private static readonly Option<string?> Data = new("--data") { Description = "The data folder of a town on this machine (TOWN_DATA)", HelpName = "DIR" };

    public static Command Create(GlobalOptions globals) => globals.Command(
        "doctor", "Whether the town can work, and what to do where it cannot", ["tt doctor", "tt doctor --json | jq '.checks[] | select(.verdict != \"ok\")'"], [Data],
        static async (invocation, cancellationToken) =>
        {
            var folder = TownFolder.Find(invocation.Value(Data), invocation);
            var checks = await new Examination(invocation, folder).RunAsync(cancellationToken);
            var report = new DoctorReport(
                invocation.Address.GetLeftPart(UriPartial.Authority), checks.All(static check => check.Verdict != "failed"), checks);
            if (invocation.Json)
            {
                invocation.Screen.Json(report);
            }
            else
            {
                Show(invocation.Screen, report);
            }

            return report.Healthy ? ExitCodes.Ok
                : checks.Any(static check => check is { Name: "reachable", Verdict: "failed" }) ? ExitCodes.Unreachable
                : ExitCodes.Failed;
        });

    private static void Show(Screen screen, DoctorReport report)
    {
        var console = screen.Answers;
        var width = report.Checks.Max(static check => check.Name.Length);
        foreach (var check in report.Checks)
        {
            var sign = check.Verdict switch
            {
                "ok" => "[green]✓[/]",
                "warning" => "[yellow]![/]",
                "failed" => "[red]✗[/]",
                _ => "[grey]·[/]",
            };
            console.MarkupLine($"{sign} [bold]{Markup.Escape(check.Name.PadRight(width))}[/]  {Looks.Text(check.Detail)}");
            if (check.Remedy is { } remedy)
            {
                console.MarkupLine($"  {new string(' ', width)}  [yellow]→[/] {Looks.Text(remedy)}");
            }
        }

        console.MarkupLine(report.Healthy ? $"\n[green]✓[/] {Looks.Text(report.Url)} can work" : $"\n[red]✗[/] {Looks.Text(report.Url)} needs help");
    }
}
