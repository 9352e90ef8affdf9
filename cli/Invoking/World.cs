using System.Text;

namespace Townhall.Cli.Invoking;

/// <summary>Everything a command touches beside the town, so that a test can be the terminal.</summary>
/// <param name="Out">Where answers go.</param>
/// <param name="Error">Where progress, notices and failures go.</param>
/// <param name="Size">Columns and rows of the terminal, asked again at every drawing because windows are resized.</param>
/// <param name="Key">A key that was pressed since, or null; asks without waiting.</param>
/// <param name="ReaderLeft">Ends when whoever reads <paramref name="Out"/> has gone.</param>
internal sealed record World(
    TextReader In, Stream Out, TextWriter Error, bool OutIsTerminal, bool ErrorIsTerminal, Func<(int Columns, int Rows)> Size,
    Func<char?> Key, Func<string, string?> Environment, string CurrentFolder, TimeProvider Clock, CancellationToken ReaderLeft)
{
    private const int PipeColumns = 120;
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false);

    public static World OfThisProcess()
    {
        var error = new StreamWriter(Console.OpenStandardError(), Utf8) { AutoFlush = true };
        var input = new StreamReader(Console.OpenStandardInput(), new UTF8Encoding(false, throwOnInvalidBytes: true));
        var onTerminal = !Console.IsOutputRedirected || !Console.IsErrorRedirected;
        var (output, readerLeft) = OutputPipe.Open();
        return new World(
            input, output, error, !Console.IsOutputRedirected, !Console.IsErrorRedirected,
            () => onTerminal ? TerminalSize() : (PipeColumns, int.MaxValue), PressedKey,
            System.Environment.GetEnvironmentVariable, System.Environment.CurrentDirectory, TimeProvider.System, readerLeft);
    }

    private static (int Columns, int Rows) TerminalSize()
    {
        // Some pseudo terminals say 0: they were never told their size.
        var (columns, rows) = (Console.WindowWidth, Console.WindowHeight);
        return (columns > 0 ? columns : 80, rows > 0 ? rows : 24);
    }

    private static char? PressedKey() =>
        !Console.IsInputRedirected && Console.KeyAvailable ? Console.ReadKey(intercept: true).KeyChar : null;
}
