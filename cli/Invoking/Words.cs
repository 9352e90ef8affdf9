using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace Townhall.Cli.Invoking;

/// <summary>Arguments and options that several commands share. Their names say what completes them.</summary>
internal static class Words
{
    public const string Agent = "AGENT";
    public const string Task = "TASK-ID";
    public const string Key = "KEY-ID";

    public static Argument<string> AgentArgument(string description = "Its name, nickname, short id or id") =>
        new(Agent) { Description = description };

    public static Argument<string> TaskArgument(string description = "The task's id") => new(Task) { Description = description };

    public static Option<bool> DryRun() => new("--dry-run", "-n") { Description = "Only say what would be done" };

    /// <summary>An option of an earlier tool that means nothing here: it is refused with the reason.</summary>
    public static Option<string?> Dropped(string name, string reason) => new(name)
    {
        Hidden = true,
        Arity = ArgumentArity.ZeroOrOne,
        Validators = { result => result.AddError($"{name} has no meaning here: {reason}") },
    };

    /// <summary>A whole number with bounds.</summary>
    public static Option<int?> Whole(string name, string[] aliases, string helpName, string description, int least, int most) =>
        new(name, aliases)
        {
            Description = description,
            HelpName = helpName,
            Validators =
            {
                Bounds<int>(value => value >= least && value <= most, $"{name} must be {least} to {most}."),
            },
        };

    /// <summary>Refuses a value out of bounds. One that cannot be read is left to the reader, which says so itself; asking it here for the value would throw.</summary>
    public static Action<OptionResult> Bounds<T>(Func<T, bool> allows, string refusal)
        where T : IParsable<T> => result =>
    {
        if (result.Tokens is [{ Value: var text }] && T.TryParse(text, CultureInfo.InvariantCulture, out var value) && !allows(value))
        {
            result.AddError(refusal);
        }
    };
}
