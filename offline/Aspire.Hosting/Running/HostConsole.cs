using System.Threading.Channels;

namespace Aspire.Hosting.Running;

/// <summary>
/// Writes the lines of all resources, each with its name in front. A terminal that is slow or stopped never holds up a
/// child: what does not fit the queue is dropped here, and is still in the resource's log file.
/// </summary>
internal sealed class HostConsole : IAsyncDisposable
{
    private static readonly int[] Palette = [36, 32, 33, 35, 34, 96, 92, 93, 95, 94];

    private readonly Channel<Action<TextWriter>> _lines = Channel.CreateBounded<Action<TextWriter>>(
        new BoundedChannelOptions(8192) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true });

    private readonly TextWriter _output;
    private readonly bool _colour;
    private readonly Dictionary<string, int> _colours = [];
    private readonly int _width;
    private readonly Task _writing;

    public HostConsole(TextWriter output, IReadOnlyList<string> names, bool colour)
    {
        _output = output;
        _colour = colour;
        _width = names.Append(Host).Max(static name => name.Length);
        foreach (var name in names)
        {
            _colours[name] = Palette[_colours.Count % Palette.Length];
        }

        _writing = Task.Run(WriteAsync);
    }

    /// <summary>The name that the host's own lines carry.</summary>
    public static string Host => "host";

    /// <summary>Colour only where a person looks: not into files, and not where NO_COLOR is set (no-color.org).</summary>
    public static bool ColourWanted =>
        !Console.IsOutputRedirected && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"));

    public void Say(string text) => Line(Host, text);

    public void Line(string name, string text)
    {
        var prefix = name.PadRight(_width);
        if (_colour)
        {
            prefix = $"\e[{_colours.GetValueOrDefault(name, 1)}m{prefix}\e[0m";
        }

        _lines.Writer.TryWrite(output => output.WriteLine($"{prefix} | {text}"));
    }

    /// <summary>Ends when everything said so far is written, or after 2 s: a stopped terminal must not hold up the town.</summary>
    public async Task FlushAsync()
    {
        var flushed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        if (_lines.Writer.TryWrite(_ => flushed.SetResult()))
        {
            await Task.WhenAny(flushed.Task, Task.Delay(TimeSpan.FromSeconds(2), TimeProvider.System, CancellationToken.None));
        }
    }

    public async ValueTask DisposeAsync()
    {
        _lines.Writer.TryComplete();
        await _writing;
    }

    private async Task WriteAsync()
    {
        await foreach (var write in _lines.Reader.ReadAllAsync())
        {
            try
            {
                write(_output);
            }
            catch (IOException)
            {
                // The terminal is gone; the log files go on.
            }
        }
    }
}
