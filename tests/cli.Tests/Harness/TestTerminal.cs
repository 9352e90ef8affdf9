using System.Text;
using Townhall.Cli.Invoking;
using Townhall.Testing;

namespace Townhall.Cli.Tests.Harness;

/// <summary>What a person sees and types; no process is started.</summary>
internal sealed class TestTerminal
{
    private readonly MemoryStream _out = new();
    private readonly StringWriter _error = new();

    public Dictionary<string, string> Environment { get; } = new(StringComparer.Ordinal);

    public string Input { get; set; } = "";

    public bool IsTerminal { get; set; }

    public (int Columns, int Rows) Size { get; set; } = (100, 40);

    /// <summary>Keys that are pressed, one at each question.</summary>
    public Queue<char> Keys { get; } = new();

    /// <summary>Ends when whoever reads the answers goes.</summary>
    public CancellationToken ReaderLeft { get; init; }

    public TimeProvider Clock { get; init; } = TimeProvider.System;

    public string Folder { get; set; } = Path.GetTempPath();

    public string Out => Encoding.UTF8.GetString(_out.ToArray());

    public string Error => _error.ToString();

    public World World() =>
        new(
            new StringReader(Input), _out, TextWriter.Synchronized(_error), IsTerminal, IsTerminal, () => Size,
            () => Keys.TryDequeue(out var key) ? key : null, name => Environment.GetValueOrDefault(name), Folder, Clock, ReaderLeft);

    public Task<int> RunAsync(CancellationToken cancellationToken, params string[] arguments) =>
        CommandTree.RunAsync(arguments, World(), cancellationToken);

    public Task<int> RunAsync(params string[] arguments) => RunAsync(Deadline.Usual(), arguments);

    public Task<int> RunAsync(FakeTown town, params string[] arguments) => RunAsync([.. arguments, "--url", town.Address]);
}
