using System.Text;
using Spectre.Console;
using Spectre.Console.Rendering;
using Townhall.Cli.Invoking;

namespace Townhall.Cli.Screens;

/// <summary>Answers on one side, progress and notices on the other; each in colour only where somebody looks at it.</summary>
internal sealed class Screen : IDisposable
{
    private readonly World _world;
    private readonly StreamWriter _out;

    /// <summary>More than any line has.</summary>
    private const int LineColumns = 1 << 20;

    private readonly bool _quiet;

    /// <param name="quiet">For a program: nothing moves, also where a terminal is.</param>
    public Screen(World world, bool quiet)
    {
        _world = world;
        _quiet = quiet;
        _out = new StreamWriter(world.Out, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), leaveOpen: true) { AutoFlush = true };
        Answers = Console(world, _out, world.OutIsTerminal, moves: false);
        Lines = Console(world, _out, world.OutIsTerminal, moves: false, columns: LineColumns);
        Notices = Console(world, world.Error, world.ErrorIsTerminal, ProgressIsLive);
    }

    /// <summary>Standard output with tables and colours.</summary>
    public IAnsiConsole Answers { get; }

    /// <summary>Standard output for what is one line each, however long: a terminal breaks it where it must, and a pipe gets it whole.</summary>
    public IAnsiConsole Lines { get; }

    /// <summary>Standard error with progress.</summary>
    public IAnsiConsole Notices { get; }

    public TimeProvider Clock => _world.Clock;

    public bool OutIsTerminal => _world.OutIsTerminal;

    /// <summary>Progress may redraw itself only on a terminal that can move its cursor.</summary>
    public bool ProgressIsLive => !_quiet && _world.ErrorIsTerminal && !IsDumb(_world);

    public (int Columns, int Rows) Size => _world.Size();

    /// <summary>One object on one line.</summary>
    public void Json<T>(T value)
        where T : notnull => Line(JsonText.Of(value));

    /// <summary>Text exactly as it is, and a line end.</summary>
    public void Line(string text) => _out.WriteLine(text);

    /// <summary>Text exactly as it is.</summary>
    public void Write(string text) => _out.Write(text);

    /// <summary>Bytes exactly as they are.</summary>
    public async Task WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        await _world.Out.WriteAsync(bytes, cancellationToken);
        await _world.Out.FlushAsync(cancellationToken);
    }

    /// <summary>Parts as they would stand on standard output, as one text.</summary>
    public string Render(IEnumerable<IRenderable> parts)
    {
        using var text = new StringWriter();
        Console(_world, text, _world.OutIsTerminal, moves: false).Write(new Rows(parts));
        return text.ToString();
    }

    /// <summary>A line for the person, beside the answer.</summary>
    public void Notice(string text) => _world.Error.WriteLine(Printable.Text(text));

    public void Dispose() => _out.Dispose();

    private static IAnsiConsole Console(World world, TextWriter writer, bool isTerminal, bool moves, int? columns = null)
    {
        var colours = isTerminal && !IsDumb(world) && string.IsNullOrEmpty(world.Environment("NO_COLOR"));
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = isTerminal && !IsDumb(world) ? AnsiSupport.Yes : AnsiSupport.No,
            // The sixteen colours follow the theme of the terminal, so they are readable on light and dark ones.
            ColorSystem = colours ? ColorSystemSupport.Standard : ColorSystemSupport.NoColors,
            // Without it bars and spinners would be printed as lines, one below the other.
            Interactive = moves ? InteractionSupport.Yes : InteractionSupport.No,
            Out = new Surface(writer, isTerminal, columns is { } wide ? () => (wide, int.MaxValue) : world.Size),
            Enrichment = new ProfileEnrichment { UseDefaultEnrichers = false },
        });
        console.Profile.Capabilities.Unicode = true;
        return console;
    }

    private static bool IsDumb(World world) => world.Environment("TERM") == "dumb";

    private sealed class Surface(TextWriter writer, bool isTerminal, Func<(int Columns, int Rows)> size) : IAnsiConsoleOutput
    {
        public TextWriter Writer => writer;

        public bool IsTerminal => isTerminal;

        public int Width => size().Columns;

        public int Height => size().Rows;

        public void SetEncoding(Encoding encoding)
        {
            // Always UTF-8.
        }
    }
}
