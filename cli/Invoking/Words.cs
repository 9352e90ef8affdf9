using System.CommandLine;

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

    /// <summary>A whole number with bounds.</summary>
    public static Option<int?> Whole(string name, string[] aliases, string helpName, string description, int least, int most) =>
        new(name, aliases)
        {
            Description = description,
            HelpName = helpName,
            Validators =
            {
                result =>
                {
                    if (result.GetValueOrDefault<int?>() is { } value && (value < least || value > most))
                    {
                        result.AddError($"{name} must be {least} to {most}.");
                    }
                },
            },
        };
}
