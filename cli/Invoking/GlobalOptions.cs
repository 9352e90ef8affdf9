using System.CommandLine;

namespace Townhall.Cli.Invoking;

/// <summary>The options that every command has, and how a command is made.</summary>
internal sealed class GlobalOptions(World world)
{
    public const string DefaultUrl = "http://127.0.0.1:8080";
    public const string UrlVariable = "TOWN_URL";
    public const string KeyVariable = "TOWN_API_KEY";

    /// <summary>Set to anything: failures with their cause, as <c>--verbose</c>.</summary>
    public const string DebugVariable = "TT_DEBUG";

    /// <summary>The name of <see cref="UrlVariable"/> in earlier versions.</summary>
    public const string OlderUrlVariable = "TOWNHALL_URL";

    public World World { get; } = world;

    public Option<string?> Url { get; } = new("--url", "--town-url")
    {
        Description = $"The town to talk to ({UrlVariable}; default {DefaultUrl})",
        HelpName = "URL",
        Recursive = true,
    };

    public Option<string?> ApiKey { get; } = new("--api-key")
    {
        Description = $"Who you are, for towns that ask ({KeyVariable}; the variable does not show in a list of processes)",
        HelpName = "KEY",
        Recursive = true,
    };

    public Option<string?> Town { get; } = new("--town", "-t")
    {
        Description = "The folder a town of this machine works on, for up, down, doctor, logs and config (default: the current one)",
        HelpName = "DIR",
        Recursive = true,
    };

    public Option<bool> Json { get; } = new("--json") { Description = "Answer in JSON", Recursive = true };

    public Option<bool> Verbose { get; } = new("--verbose", "-v") { Description = "Failures with their cause", Recursive = true };

    /// <summary>A command that asks the town for one thing and shows it: <c>--json</c> and the exit codes come by themselves.</summary>
    public ExampledCommand Answer<T>(
        string name, string description, string[] examples, Symbol[] symbols, Func<Invocation, CancellationToken, Task<T>> ask,
        Action<Invocation, T> show)
        where T : notnull =>
        Command(name, description, examples, symbols, async (invocation, cancellationToken) =>
        {
            var answer = await ask(invocation, cancellationToken);
            if (invocation.Json)
            {
                invocation.Screen.Json(answer);
            }
            else
            {
                show(invocation, answer);
            }

            return ExitCodes.Ok;
        });

    /// <summary>A command that does <paramref name="run"/> and answers with an exit code.</summary>
    public ExampledCommand Command(
        string name, string description, string[] examples, Symbol[] symbols, Func<Invocation, CancellationToken, Task<int>> run)
    {
        var command = new ExampledCommand(name, description, examples);
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

        command.SetAction((parsed, cancellationToken) => Invocation.RunAsync(this, parsed, run, cancellationToken));
        return command;
    }

    /// <summary>A command that only holds others.</summary>
    public static ExampledCommand Group(string name, string description, params Command[] commands)
    {
        var group = new ExampledCommand(name, description, []);
        foreach (var command in commands)
        {
            group.Add(command);
        }

        return group;
    }
}
