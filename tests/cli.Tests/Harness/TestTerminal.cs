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

    public string Folder { get; set; } = Path.GetTempPath();

    public string Out => Encoding.UTF8.GetString(_out.ToArray());

    public string Error => _error.ToString();

    public async Task<int> RunAsync(CancellationToken cancellationToken, params string[] arguments)
    {
        var world = new World(
            new StringReader(Input), _out, TextWriter.Synchronized(_error), IsTerminal, IsTerminal, static () => (100, 40),
            name => Environment.GetValueOrDefault(name), Folder, TimeProvider.System);
        return await CommandTree.RunAsync(arguments, world, cancellationToken);
    }

    public Task<int> RunAsync(params string[] arguments) => RunAsync(Deadline.Usual(), arguments);

    public Task<int> RunAsync(FakeTown town, params string[] arguments) => RunAsync([.. arguments, "--town-url", town.Address]);
}
