using System.CommandLine;

namespace Townhall.Cli.Invoking;

/// <summary>The options that every command has, and how a command is run.</summary>
internal sealed class GlobalOptions(World world)
{
    public const string DefaultUrl = "http://127.0.0.1:8080";
    public const string UrlVariable = "TOWNHALL_URL";

    public Option<string?> TownUrl { get; } = new("--town-url")
    {
        Description = $"The town to talk to ({UrlVariable}; default {DefaultUrl})",
        HelpName = "URL",
        Recursive = true,
    };

    public Option<bool> Json { get; } = new("--json") { Description = "Answer in JSON", Recursive = true };

    /// <summary>A command that does <paramref name="run"/> against the town and answers with an exit code.</summary>
    public Command Command(
        string name, string description, IEnumerable<Symbol> symbols, Func<Invocation, CancellationToken, Task<int>> run)
    {
        var command = new Command(name, description);
        foreach (var symbol in symbols)
        {
            switch (symbol)
            {
                case Argument argument:
                    command.Add(argument);
                    break;
                case Option option:
                    command.Add(option);
                    break;
                default:
                    throw new ArgumentException($"{symbol.Name} is neither an argument nor an option.", nameof(symbols));
            }
        }

        command.SetAction((parsed, cancellationToken) => Invocation.RunAsync(world, this, parsed, run, cancellationToken));
        return command;
    }
}
