using System.Globalization;
using Spectre.Console;
using Townhall.Contracts.Tasks;

namespace Townhall.Cli.Screens;

/// <summary>How the same thing looks everywhere: states, times, sizes, tables.</summary>
internal static class Looks
{
    public static Table Table(params ReadOnlySpan<string> columns)
    {
        var table = new Table { Border = TableBorder.Rounded, BorderStyle = new Style(Color.Grey) };
        foreach (var column in columns)
        {
            table.AddColumn(new TableColumn(new Markup($"[bold]{Markup.Escape(column)}[/]")) { NoWrap = true });
        }

        return table;
    }

    public static Table Right(this Table table, params ReadOnlySpan<int> columns)
    {
        foreach (var column in columns)
        {
            table.Columns[column].RightAligned();
        }

        return table;
    }

    public static string State(string state) => $"[{Colour(state)}]{Markup.Escape(Printable.Line(state))}[/]";

    /// <summary>One sign per state, different in shape as well as in colour.</summary>
    public static string Sign(string state, string busy) => TaskLifecycle.Parse(state) switch
    {
        TaskState.Completed => "[green]✓[/]",
        TaskState.Failed or TaskState.Dead => "[red]✗[/]",
        TaskState.Cancelled => "[yellow]–[/]",
        TaskState.Running => $"[blue]{busy}[/]",
        TaskState.Waiting => "[yellow]?[/]",
        _ => "[grey]·[/]",
    };

    public static string Text(string? text) => text is null ? "[grey]–[/]" : Markup.Escape(Printable.Line(text));

    public static string Number(long number) => number.ToString("N0", CultureInfo.InvariantCulture);

    public static string Seconds(double? milliseconds) => milliseconds switch
    {
        null => "–",
        < 1_000 => string.Create(CultureInfo.InvariantCulture, $"{milliseconds:0} ms"),
        < 60_000 => string.Create(CultureInfo.InvariantCulture, $"{milliseconds / 1000:0.0} s"),
        _ => Span(TimeSpan.FromMilliseconds(milliseconds.Value)),
    };

    public static string Span(TimeSpan span) => span.TotalHours >= 1
        ? string.Create(CultureInfo.InvariantCulture, $"{(int)span.TotalHours}:{span.Minutes:00}:{span.Seconds:00}")
        : string.Create(CultureInfo.InvariantCulture, $"{span.Minutes}:{span.Seconds:00}");

    public static string Instant(DateTime? instant) =>
        instant is { } at ? at.ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture) : "–";

    public static string Colour(string state) => state.ToUpperInvariant() switch
    {
        "COMPLETED" or "IDLE" or "SUCCESS" => "green",
        "FAILED" or "DEAD" or "ERROR" or "FAILURE" or "DENIED" => "red",
        "CANCELLED" or "WAITING" or "DRAINING" or "PAUSED" => "yellow",
        "RUNNING" or "WORKING" or "STARTING" => "blue",
        "ASSIGNED" or "PENDING" or "COLD" or "STOPPED" => "grey",
        _ => "default",
    };
}
