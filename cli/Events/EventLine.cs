using System.Globalization;
using Spectre.Console;
using Townhall.Cli.Invoking;
using Townhall.Cli.Screens;
using Townhall.Client;

namespace Townhall.Cli.Events;

/// <summary>An event as one line.</summary>
internal static class EventLine
{
    public static void Write(Invocation invocation, StreamItem item)
    {
        if (item.Gap is { } gap)
        {
            // Nothing that happened in the town, yet nothing to hide either.
            invocation.Screen.Notice($"gap: {gap}");
        }

        if (item.Event is { } happened)
        {
            Write(invocation, happened);
        }
    }

    public static void Write(Invocation invocation, TownEvent happened)
    {
        if (invocation.Json)
        {
            invocation.Screen.Json(happened);
            return;
        }

        var at = happened.Timestamp.ToString("HH:mm:ss.fff", CultureInfo.InvariantCulture);
        var outcome = happened.Outcome == "success" ? "" : $" {Looks.State(happened.Outcome)}";
        var about = happened.TaskId is { } task ? $"[grey]{task}[/]" : Looks.Text(happened.Actor);

        // An event is one line, also where that line is longer than the window: others search and count lines.
        invocation.Screen.Lines.MarkupLine(
            $"[grey]{happened.Seq,6}[/]  [grey]{at}[/]  [bold]{Markup.Escape(Printable.Line(happened.Action).PadRight(20))}[/]"
            + $" {Markup.Escape(Printable.Line(happened.AgentName ?? "").PadRight(24))} {about}{outcome}");
    }
}
