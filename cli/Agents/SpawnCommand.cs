using System.CommandLine;
using Spectre.Console;
using Townhall.Cli.Invoking;
using Townhall.Cli.Screens;
using Townhall.Client;

namespace Townhall.Cli.Agents;

/// <summary><c>tt spawn</c>: makes an agent.</summary>
internal static class SpawnCommand
{
    /// <summary>Why options of an earlier tool that say how a process runs are refused.</summary>
    public const string NoProcess = "an agent is no process, and works as long as there is work.";

    private static readonly Argument<string> Name = new("NAME") { Description = "What the agent is called; no other may be called so" };

    private static readonly Option<string?> Cli = new("--cli", "-c")
    {
        Description = "What it runs: a preset such as claude, or a command line such as 'sh' (default: default_cli of the town)",
        HelpName = "CMD",
    };

    private static readonly Option<int?> MaxConcurrency = Words.Whole("--max-concurrency", [], "N", "Tasks it works on at once (default 1)", 1, 1024);

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

    private static readonly Option<int?> MaxAttempts = Words.Whole(
        "--max-attempts", [], "N", "Attempts of a task that fails (default 1: coding agents have side effects)", 1, 100);

    private static readonly Option<double?> TimeoutSecs = new("--timeout-secs") { Description = "Longest attempt (default: none)", HelpName = "SECS" };
    private static readonly Option<string?> Role = new("--role") { Description = "What it is for, such as reviewer", HelpName = "ROLE" };
    private static readonly Option<string?> Nickname = new("--nickname") { Description = "What people call it", HelpName = "NAME" };
    private static readonly Option<string?> Tenant = new("--tenant") { Description = "Whose turns its turns are (default: default)", HelpName = "NAME" };
    private static readonly Option<int?> Weight = Words.Whole("--weight", [], "N", "Its share of turns among its tenant's agents (default 1)", 1, 100);
    private static readonly Option<Guid?> Parent = new("--parent") { Description = "The id of the agent it belongs to", HelpName = "ID" };

    private static readonly Option<string?> Network = new("--grant-network") { Description = "host or none (default host)", HelpName = "MODE" };

    private static readonly Option<string[]> GrantWrite = new("--grant-write")
    {
        Description = "A file or folder its commands may write; may be given several times",
        HelpName = "PATH",
        AllowMultipleArgumentsPerToken = true,
    };

    public static Command Create(GlobalOptions globals) => globals.Answer(
        "spawn", "Make an agent",
        [
            "tt spawn scout --cli sh", "tt spawn coder --cli claude --workdir . --grant-write .",
            "tt spawn counter --cli sh --max-concurrency 4 --grant-network none --grant-read ~/src",
        ],
        [
            Name, Cli, Role, Nickname, Parent, MaxConcurrency, MaxAttempts, TimeoutSecs, Tenant, Weight, GrantRead, GrantWrite, Network, Workdir,
            Words.Dropped("--max-rounds", NoProcess), Words.Dropped("--foreground", NoProcess),
        ],
        AskAsync, Show);

    private static async Task<SpawnedAgent> AskAsync(Invocation invocation, CancellationToken cancellationToken)
    {
        var read = Paths(invocation, GrantRead);
        var write = Paths(invocation, GrantWrite);
        var workdir = invocation.Value(Workdir) is { } folder ? Absolute(folder, invocation) : null;
        var network = invocation.Value(Network);
        return await invocation.Town.SpawnAsync(
            new NewAgent(
                invocation.Value(Name), invocation.Value(Cli), invocation.Value(Role), invocation.Value(Nickname), invocation.Value(Parent),
                invocation.Value(MaxConcurrency), invocation.Value(MaxAttempts), invocation.Value(TimeoutSecs),
                (read, write, workdir, network) is (null, null, null, null) ? null : new Grant(network, read, write, workdir),
                invocation.Value(Tenant), invocation.Value(Weight)),
            cancellationToken);
    }

    private static void Show(Invocation invocation, SpawnedAgent spawned) => invocation.Screen.Answers.MarkupLine(Looks.Done(
        $"[bold]{Looks.Text(spawned.Name)}[/] runs {Looks.Text(spawned.Cli)}  [grey]{spawned.AgentId}[/]"));

    private static string[]? Paths(Invocation invocation, Option<string[]> option) =>
        invocation.Value(option) is { Length: > 0 } paths ? Array.ConvertAll(paths, path => Absolute(path, invocation)) : null;

    // The town knows nothing of this shell's folder.
    private static string Absolute(string path, Invocation invocation) =>
        Path.TrimEndingDirectorySeparator(Path.GetFullPath(path, invocation.World.CurrentFolder));
}
