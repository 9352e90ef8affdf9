using System.CommandLine;
using Townhall.Cli.Screens;
using Townhall.Client;

namespace Townhall.Cli.Invoking;

/// <summary>A failure in <c>--json</c>.</summary>
internal sealed record FailureDocument(FailureFacts Error);

/// <param name="Status">Of the town's answer; null when there was none, as with <paramref name="TraceId"/>.</param>
internal sealed record FailureFacts(string Code, string Detail, int ExitCode, int? Status, string? TraceId);

/// <summary>Says failures on standard error: one line for people, one object for programs.</summary>
/// <param name="withCause">With the exception behind it.</param>
internal sealed class FailureWords(World world, bool json, bool withCause)
{
    public bool WithCause => withCause;

    /// <summary>As the command line asks for them, also where the rest of it is wrong.</summary>
    public static FailureWords Of(GlobalOptions globals, ParseResult parsed) => new(
        globals.World, IsSaid(parsed, globals.Json),
        IsSaid(parsed, globals.Verbose) || !string.IsNullOrEmpty(globals.World.Environment(GlobalOptions.DebugVariable)));

    public bool AreJson => json;

    /// <returns>The exit code.</returns>
    public int Say(CommandFailure failure)
    {
        if (json)
        {
            var problem = failure.InnerException as TownProblemException;
            world.Error.WriteLine(JsonText.Of(new FailureDocument(new FailureFacts(
                failure.Code, failure.Detail, failure.ExitCode, (int?)problem?.Status, problem?.TraceId))));
        }
        else
        {
            world.Error.WriteLine($"{Printable.Line(failure.Code)}: {Printable.Text(failure.Detail)}");
        }

        if (withCause && failure.InnerException is { } cause)
        {
            world.Error.WriteLine(cause);
        }

        return failure.ExitCode;
    }

    private static bool IsSaid(ParseResult parsed, Option<bool> option) =>
        parsed.GetResult(option) is { Implicit: false } said && !said.Errors.Any() && said.GetValueOrDefault<bool>();
}
