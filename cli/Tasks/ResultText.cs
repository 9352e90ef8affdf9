using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Spectre.Console;
using Townhall.Cli.Screens;
using Townhall.Client;

namespace Townhall.Cli.Tasks;

/// <summary>A result as people read it: framed on a terminal, plain lines elsewhere, nothing left out without a word.</summary>
internal static partial class ResultText
{
    private const int LinesMost = 400;

    public static void Write(Screen screen, string title, string text, AgentTask task)
    {
        var shown = Printable.Text(text).Replace("\t", "    ", StringComparison.Ordinal).Trim('\n');
        var lines = shown.Split('\n');
        var kept = lines.Length > LinesMost ? lines[..LinesMost] : lines;
        if (screen.OutIsTerminal)
        {
            screen.Answers.Write(new Panel(new Markup(Dress(kept)))
            {
                Header = new PanelHeader($"\u00a0[bold]{Markup.Escape(Printable.Line(title))}[/]\u00a0"),
                Border = BoxBorder.Rounded,
                BorderStyle = new Style(Color.Grey),
                Padding = new Padding(1, 0),
                Expand = true,
            });
        }
        else
        {
            screen.Line($"── {Printable.Line(title)} ──");
            screen.Line(string.Join('\n', kept.Select(static line => IsHeading(line) ? line[2..] : line)));
            screen.Line("");
        }

        foreach (var left in Left(lines.Length - kept.Length, text, task))
        {
            screen.Answers.MarkupLine($"[grey]{Markup.Escape(left)}[/]");
        }
    }

    private static IEnumerable<string> Left(int lines, string text, AgentTask task)
    {
        if (lines > 0)
        {
            yield return string.Create(CultureInfo.InvariantCulture, $"{lines} more lines: tt task show --json {task.TaskId}");
        }

        if (task.ResultBlob is { } blob)
        {
            yield return string.Create(
                CultureInfo.InvariantCulture,
                $"This is the beginning, {Encoding.UTF8.GetByteCount(text)} of {task.ResultBytes} bytes; the whole: tt blob get {blob}");
        }
    }

    /// <summary>Headings and bars in colour; every other character stays as the agent wrote it.</summary>
    private static string Dress(IEnumerable<string> lines) => string.Join('\n', lines.Select(static line =>
        IsHeading(line)
            ? $"[bold]{Markup.Escape(line[2..])}[/]"
            : Bars().Replace(Markup.Escape(line), static bar => $"[blue]{bar.Value}[/]")));

    // Agents write Markdown more often than not; its sign would only push a table's heading out of line.
    private static bool IsHeading(string line) => line.StartsWith("# ", StringComparison.Ordinal);

    [GeneratedRegex("[█▏▎▍▌▋▊▉]+")]
    private static partial Regex Bars();
}
