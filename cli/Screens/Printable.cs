using System.Text;

namespace Townhall.Cli.Screens;

/// <summary>Text of others as it may stand on a terminal: nothing in it can move the cursor, change colours or hide a line.</summary>
internal static class Printable
{
    private const char Instead = '\ufffd';

    /// <summary>On one line: line breaks and tabs become spaces.</summary>
    public static string Line(string text) => Clean(text, lines: false);

    /// <summary>With its line breaks and tabs.</summary>
    public static string Text(string text) => Clean(text, lines: true);

    /// <summary>The beginning of a line, with an ellipsis where it was longer.</summary>
    public static string Cut(string text, int most)
    {
        var line = Line(text);
        return line.Length <= most ? line : most <= 1 ? "…" : string.Concat(line.AsSpan(0, char.IsHighSurrogate(line[most - 2]) ? most - 2 : most - 1), "…");
    }

    private static string Clean(string text, bool lines)
    {
        var clean = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            var at = text[i];
            if (at is '\n' or '\t')
            {
                clean.Append(lines ? at : ' ');
            }
            else if (at == '\r' && i + 1 < text.Length && text[i + 1] == '\n')
            {
                continue;       // half of a line break
            }
            else
            {
                clean.Append(char.IsControl(at) || IsOrder(at) ? Instead : at);
            }
        }

        return clean.ToString();
    }

    // Directional overrides: they make a line read differently from what it says.
    private static bool IsOrder(char at) => at is (>= '\u202a' and <= '\u202e') or (>= '\u2066' and <= '\u2069');
}
