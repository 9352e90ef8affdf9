using System.CommandLine;
using System.CommandLine.Parsing;
using Townhall.Cli.Screens;
using Townhall.Client;

namespace Townhall.Cli.Invoking;

/// <summary>One command at work: what was typed, the town it talks to and the screen it writes on.</summary>
internal sealed class Invocation : IDisposable
{
    private readonly ParseResult _parsed;
    private readonly Lazy<TownClient> _town;

    private Invocation(GlobalOptions globals, ParseResult parsed)
    {
        _parsed = parsed;
        World = globals.World;
        Json = parsed.GetValue(globals.Json);
        TownRoot = parsed.GetValue(globals.Town) is { } root ? Path.GetFullPath(root, World.CurrentFolder) : null;
        Screen = new Screen(World, quiet: Json);
        Address = AddressOf(parsed.GetValue(globals.Url), World);
        var key = parsed.GetValue(globals.ApiKey) ?? World.Environment(GlobalOptions.KeyVariable);
        if (key is { Length: 0 } && parsed.GetResult(globals.ApiKey) is null)
        {
            throw CommandFailure.Usage($"{GlobalOptions.KeyVariable} is empty: unset it, or put a key into it.");
        }

        Check(key);
        _town = new(() => Connect(World, Address, key));
    }

    public World World { get; }

    public bool Json { get; }

    /// <summary>The folder that a town of this machine works on, where somebody said it.</summary>
    public string? TownRoot { get; }

    public Screen Screen { get; }

    public Uri Address { get; }

    public TownClient Town => _town.Value;

    public TimeProvider Clock => World.Clock;

    public T? Value<T>(Option<T> option) => _parsed.GetValue(option);

    public T Value<T>(Argument<T> argument) => _parsed.GetRequiredValue(argument);

    /// <summary>For an argument that may be left out.</summary>
    public T? Optional<T>(Argument<T> argument) => _parsed.GetValue(argument);

    public bool Says(Option option) => _parsed.GetResult(option) is { Implicit: false };

    public void Dispose()
    {
        if (_town.IsValueCreated)
        {
            _town.Value.Dispose();
        }

        Screen.Dispose();
    }

    /// <exception cref="CommandFailure">The key cannot be one.</exception>
    public static TownClient Connect(World world, Uri address, string? key)
    {
        Check(key);
        return new(new TownClientOptions(address)
        {
            ApiKey = key,
            Clock = world.Clock,
            // Who types a command wants to know at once that there is no town.
            RetriesRefusedConnections = false,
        });
    }

    /// <summary>The one place where a failure becomes words and an exit code.</summary>
    public static async Task<int> RunAsync(
        GlobalOptions globals, ParseResult parsed, Func<Invocation, CancellationToken, Task<int>> run, CancellationToken cancellationToken)
    {
        var world = globals.World;
        var failures = FailureWords.Of(globals, parsed);

        // Whoever reads our answers may have had enough before we have said all.
        using var left = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, world.ReaderLeft);
        try
        {
            using var invocation = new Invocation(globals, parsed);
            try
            {
                return await run(invocation, left.Token);
            }
            catch (TownProblemException unknown) when (unknown.Code == "agent_not_found")
            {
                var failure = CommandFailure.Of(unknown);
                throw new CommandFailure(
                    failure.ExitCode, failure.Code, failure.Detail + await invocation.NearAsync(left.Token), unknown);
            }
        }
        catch (OperationCanceledException) when (world.ReaderLeft.IsCancellationRequested)
        {
            return ExitCodes.Ok;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return ExitCodes.Interrupted;
        }
        catch (ReaderLeftException)
        {
            return ExitCodes.Ok;
        }
        catch (TownException failed)
        {
            return failures.Say(CommandFailure.Of(failed));
        }
        catch (CommandFailure failure)
        {
            return failures.Say(failure);
        }
        catch (IOException broken)
        {
            return failures.Say(new CommandFailure(ExitCodes.Failed, "io", broken.Message, broken));
        }
        catch (Exception unforeseen) when (!failures.WithCause)
        {
            // Without this a person would meet a stack trace; with the variable they may ask for it.
            return failures.Say(new CommandFailure(
                ExitCodes.Failed, "internal", $"{unforeseen.GetType().Name}: {unforeseen.Message} ({GlobalOptions.DebugVariable}=1 shows where)"));
        }
    }

    /// <summary>Agents whose name is close to what was typed, as a question; empty when none is, or when the town does not say.</summary>
    private async Task<string> NearAsync(CancellationToken cancellationToken)
    {
        string[] typed =
        [
            .. _parsed.CommandResult.Children
                .Where(static child => child is ArgumentResult { Argument.Name: Words.Agent } or OptionResult { Option.HelpName: Words.Agent })
                .SelectMany(static child => child.Tokens).Select(static token => token.Value),
        ];
        if (typed.Length == 0)
        {
            return "";
        }

        try
        {
            var page = await Town.AgentPageAsync(1000, null, cancellationToken);
            string[] names = [.. page.Agents.Select(static agent => agent.Name)];

            // Where several were named, those that are there are not what was meant.
            return typed.FirstOrDefault(word => !names.Contains(word, StringComparer.OrdinalIgnoreCase)) is { } unknown
                ? DidYouMean.Question(unknown, names)
                : "";
        }
        catch (TownException)
        {
            return "";      // the refusal itself is what matters
        }
    }

    private static void Check(string? key)
    {
        if (key is not null && (key.Length == 0 || key.Any(static letter => letter is < '!' or > '~')))
        {
            // Refused here, without the key in the words: a header with it would fail further down and show it.
            throw CommandFailure.Usage("The API key must be printable ASCII without spaces.");
        }
    }

    /// <summary>Where the town is that was named, or else of the environment.</summary>
    /// <exception cref="CommandFailure">It is no address.</exception>
    public static Uri AddressOf(string? option, World world)
    {
        var (text, source) = option is not null ? (option, "--url")
            : world.Environment(GlobalOptions.UrlVariable) is { Length: > 0 } named ? (named, GlobalOptions.UrlVariable)
            : world.Environment(GlobalOptions.OlderUrlVariable) is { Length: > 0 } older ? (older, GlobalOptions.OlderUrlVariable)
            : (GlobalOptions.DefaultUrl, "");
        return Uri.TryCreate(text, UriKind.Absolute, out var address) && address.Scheme is "http" or "https"
            ? address
            : throw CommandFailure.Usage($"{source} must be an address such as {GlobalOptions.DefaultUrl}, not '{text}'.");
    }
}
