using System.Globalization;
using Microsoft.Extensions.Logging;

namespace Townhall.Worker.Logging;

/// <summary>Writes one line per event to standard error; the host collects and labels it.</summary>
/// <remarks>The console logger of the framework costs a start-up of its own, and a worker starts while a task waits.</remarks>
internal sealed class LineLog(TextWriter writer, LogLevel least, TimeProvider clock) : ILogger
{
    private readonly Lock _gate = new();

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel >= least;

    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (!IsEnabled(logLevel))
        {
            return;
        }

        var text = exception is null ? formatter(state, null) : $"{formatter(state, exception)} ({exception})";
        var instant = clock.GetUtcNow().ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture);

        // Names come from other people: a newline or an escape sequence in one must not forge a line of its own.
        var line = string.Create(CultureInfo.InvariantCulture, $"{instant} {Word(logLevel)} worker: {Escape(text)}");
        lock (_gate)
        {
            writer.WriteLine(line);
        }
    }

    private static string Word(LogLevel level) => level switch
    {
        LogLevel.Trace or LogLevel.Debug => "debug",
        LogLevel.Information => "info",
        LogLevel.Warning => "warn",
        _ => "error",
    };

    private static string Escape(string text) =>
        text.AsSpan().ContainsAnyInRange('\0', '\u001f')
            ? string.Concat(text.Select(static letter =>
                letter < ' ' ? string.Create(CultureInfo.InvariantCulture, $"\\u{(int)letter:x4}") : letter.ToString()))
            : text;
}
