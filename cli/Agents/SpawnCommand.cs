using System.CommandLine;
using Spectre.Console;
using Townhall.Cli.Invoking;
using Townhall.Cli.Screens;
using Townhall.Cli.Town;

namespace Townhall.Cli.Agents;

/// <summary><c>tt spawn</c>: makes an agent.</summary>
internal static class SpawnCommand
{
    private static readonly Argument<string> Name = new("NAME") { Description = "What the agent is called; no other may be called so" };

    private static readonly Option<string> Cli = new("--cli")
    {
        Description = "What it runs: a preset such as claude, or a command line such as 'sh'",
        HelpName = "CMD",
        Required = true,
    };

    private static readonly Option<int?> MaxConcurrency = new("--max-concurrency")
    {
        Description = "Tasks it works on at once (default 1)",
        HelpName = "N",
    };

    private static readonly Option<string[]> GrantRead = new("--grant-read")
    {
        Description = "A file or folder its commands may read; may be given several times (default: the town's root)",
        HelpName = "PATH",
        AllowMultipleArgumentsPerToken = true,
    };

    private static readonly Option<string?> Workdir = new("--workdir")
    {
        Description = "Where its commands start (default: a folder of their own)",
        HelpName = "PATH",
    };

    public static Command Create(GlobalOptions globals) =>
        globals.Command("spawn", "Make an agent", [Name, Cli, MaxConcurrency, GrantRead, Workdir], RunAsync);

    private static async Task<int> RunAsync(Invocation invocation, CancellationToken cancellationToken)
    {
        var read = invocation.Value(GrantRead) is { Length: > 0 } paths ? Array.ConvertAll(paths, path => Absolute(path, invocation)) : null;
        var workdir = invocation.Value(Workdir) is { } folder ? Absolute(folder, invocation) : null;
        var spawned = await invocation.Town.SpawnAsync(
            new NewAgent(
                invocation.Value(Name), invocation.Value(Cli)!, invocation.Value(MaxConcurrency),
                read is null && workdir is null ? null : new Grant(Read: read, Workdir: workdir)),
            cancellationToken);
        if (invocation.Json)
        {
            invocation.Screen.Json(spawned, TownJson.Readable.SpawnedAgent);
        }
        else
        {
            invocation.Screen.Answers.MarkupLine(
                $"[green]✓[/] [bold]{Looks.Text(spawned.Name)}[/] runs {Looks.Text(spawned.Cli)}  [grey]{spawned.AgentId}[/]");
        }

        return ExitCodes.Ok;
    }

    // The town knows nothing of this shell's folder.
    private static string Absolute(string path, Invocation invocation) =>
        Path.TrimEndingDirectorySeparator(Path.GetFullPath(path, invocation.World.CurrentFolder));
}
