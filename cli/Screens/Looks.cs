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

    /// <summary>Facts under each other, their names on the left.</summary>
    public static Grid Facts(params ReadOnlySpan<(string What, string Markup)> facts)
    {
        var grid = new Grid().AddColumn(new GridColumn().NoWrap().PadRight(3)).AddColumn();
        foreach (var (what, markup) in facts)
        {
            grid.AddRow($"[grey]{Markup.Escape(what)}[/]", markup);
        }

        return grid;
    }

    /// <summary>A line that says that it was done.</summary>
    public static string Done(string markup) => $"[green]✓[/] {markup}";

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

    /// <summary>A number of things: <c>1 agent</c>, <c>2 agents</c>.</summary>
    public static string Counted(long number, string thing) => $"{Number(number)} {thing}{(number == 1 ? "" : "s")}";

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

    public static string Bytes(long bytes) => bytes switch
    {
        >= 1L << 30 => string.Create(CultureInfo.InvariantCulture, $"{bytes / (double)(1L << 30):0.0} GiB"),
        >= 1L << 20 => string.Create(CultureInfo.InvariantCulture, $"{bytes / (double)(1L << 20):0.0} MiB"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1024.0:0.0} KiB"),
    };

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
