using System.Text;
using Townhall.Cli.Screens;

namespace Townhall.Cli.Watching;

/// <summary>The whole terminal, given back as it was. A frame is one write over the last one, so nothing flickers.</summary>
internal sealed class FullScreen : IDisposable
{
    private const string Enter = "\u001b[?1049h\u001b[?25l";
    private const string Leave = "\u001b[?25h\u001b[?1049l";

    // Terminals that know it show what is between the two at once; the others leave it alone.
    private const string Begin = "\u001b[?2026h\u001b[H";
    private const string End = "\u001b[J\u001b[?2026l";
    private const string RestOfLine = "\u001b[K";

    private readonly Screen _screen;

    public FullScreen(Screen screen)
    {
        _screen = screen;
        screen.Write(Enter);
    }

    public void Show(string frame)
    {
        var text = new StringBuilder(Begin);
        var lines = frame.TrimEnd('\n').Split('\n').Take(_screen.Size.Rows).ToArray();
        for (var i = 0; i < lines.Length; i++)
        {
            text.Append(lines[i]).Append(RestOfLine).Append(i + 1 < lines.Length ? "\r\n" : "");
        }

        _screen.Write(text.Append(End).ToString());
    }

    public void Dispose() => _screen.Write(Leave);
}
