using System.CommandLine;
using System.Text.Json;
using Townhall.Cli.Screens;
using Townhall.Cli.Town;

namespace Townhall.Cli.Invoking;

/// <summary>One command at work: what was typed, the town it talks to and the screen it writes on.</summary>
internal sealed class Invocation : IDisposable
{
    private const string DebugVariable = "TT_DEBUG";
    private readonly ParseResult _parsed;

    private Invocation(World world, GlobalOptions globals, ParseResult parsed)
    {
        _parsed = parsed;
        World = world;
        Json = parsed.GetValue(globals.Json);
        Screen = new Screen(world);
        Town = new TownClient(Address(parsed.GetValue(globals.TownUrl), world), world.Clock);
    }

    public World World { get; }

    public bool Json { get; }

    public Screen Screen { get; }

    public TownClient Town { get; }

    public TimeProvider Clock => World.Clock;

    public T? Value<T>(Option<T> option) => _parsed.GetValue(option);

    public T Value<T>(Argument<T> argument) => _parsed.GetRequiredValue(argument);

    public void Dispose()
    {
        Town.Dispose();
        Screen.Dispose();
    }

    /// <summary>The one place where a failure becomes words and an exit code.</summary>
    public static async Task<int> RunAsync(
        World world, GlobalOptions globals, ParseResult parsed, Func<Invocation, CancellationToken, Task<int>> run,
        CancellationToken cancellationToken)
    {
        try
        {
            using var invocation = new Invocation(world, globals, parsed);
            return await run(invocation, cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return ExitCodes.Interrupted;
        }
        catch (CommandFailure failure)
        {
            Say(world, failure.Code, failure.Detail, failure.InnerException);
            return failure.ExitCode;
        }
        catch (JsonException unexpected)
        {
            Say(world, "unexpected_answer", $"The answer is not what this version of tt knows: {unexpected.Message}", unexpected);
            return ExitCodes.Failed;
        }
        catch (IOException broken)
        {
            Say(world, "io", broken.Message, broken);
            return ExitCodes.Failed;
        }
        catch (Exception unforeseen) when (string.IsNullOrEmpty(world.Environment(DebugVariable)))
        {
            // Without this a person would meet a stack trace; with the variable they may ask for it.
            Say(world, "internal", $"{unforeseen.GetType().Name}: {unforeseen.Message} ({DebugVariable}=1 shows where)", null);
            return ExitCodes.Failed;
        }
    }

    private static void Say(World world, string code, string detail, Exception? cause)
    {
        world.Error.WriteLine($"{Printable.Line(code)}: {Printable.Text(detail)}");
        if (cause is not null && !string.IsNullOrEmpty(world.Environment(DebugVariable)))
        {
            world.Error.WriteLine(cause);
        }
    }

    private static Uri Address(string? option, World world)
    {
        var (text, source) = option is not null
            ? (option, "--town-url")
            : (world.Environment(GlobalOptions.UrlVariable) is { Length: > 0 } named ? named : GlobalOptions.DefaultUrl, GlobalOptions.UrlVariable);
        return Uri.TryCreate(text.EndsWith('/') ? text : text + "/", UriKind.Absolute, out var address) && address.Scheme is "http" or "https"
            ? address
            : throw CommandFailure.Usage($"{source} must be an address such as {GlobalOptions.DefaultUrl}, not '{text}'.");
    }
}
