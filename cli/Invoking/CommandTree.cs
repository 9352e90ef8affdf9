using System.CommandLine;
using System.CommandLine.Parsing;
using Townhall.Cli.Agents;
using Townhall.Cli.Authentication;
using Townhall.Cli.Backlog;
using Townhall.Cli.Blobs;
using Townhall.Cli.Completion;
using Townhall.Cli.Configuration;
using Townhall.Cli.Events;
using Townhall.Cli.Fleets;
using Townhall.Cli.Hosting;
using Townhall.Cli.Keys;
using Townhall.Cli.LedgerChain;
using Townhall.Cli.Limits;
using Townhall.Cli.Messages;
using Townhall.Cli.Recovery;
using Townhall.Cli.Screens;
using Townhall.Cli.Status;
using Townhall.Cli.Tasks;
using Townhall.Cli.Watching;

namespace Townhall.Cli.Invoking;

/// <summary>Every command of <c>tt</c>, in the order of its help.</summary>
internal static class CommandTree
{
    /// <summary>After Ctrl-C a command has so long to say its last words; then the process ends.</summary>
    private static readonly TimeSpan LastWords = TimeSpan.FromSeconds(3);

    public static async Task<int> RunAsync(string[] arguments, World world, CancellationToken cancellationToken)
    {
        // A task's text may begin with @: it is text, never the name of a file with more arguments.
        var globals = new GlobalOptions(world);
        var parsed = Build(globals).Parse(arguments, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (parsed.Errors.Count > 0)
        {
            return Refuse(globals, parsed);
        }

        try
        {
            await using var output = new StreamWriter(world.Out, leaveOpen: true);
            return await parsed.InvokeAsync(
                new InvocationConfiguration
                {
                    Output = output,
                    Error = world.Error,
                    EnableDefaultExceptionHandler = false,
                    ProcessTerminationTimeout = LastWords,
                },
                cancellationToken);
        }
        catch (ReaderLeftException)
        {
            return ExitCodes.Ok;        // help that nobody reads to its end
        }
    }

    internal static RootCommand Build(World world) => Build(new GlobalOptions(world));

    internal static RootCommand Build(GlobalOptions globals)
    {
        var root = new RootCommand("tt talks to a town: it hands work to agents, follows it, and checks afterwards what was done.");
        root.Add(globals.Url);
        root.Add(globals.ApiKey);
        root.Add(globals.Town);
        root.Add(globals.Json);
        root.Add(globals.Verbose);
        foreach (var command in Commands(globals).Concat(Replaced.Create(globals)))
        {
            root.Add(command);
        }

        ExamplesFirst.Install(root);
        return root;
    }

    private static IEnumerable<Command> Commands(GlobalOptions globals) =>
    [
        // A town
        UpCommand.Create(globals), DownCommand.Create(globals), DoctorCommand.Create(globals), StatusCommand.Create(globals),
        TopCommand.Create(globals), ScalingCommand.Create(globals), LogsCommand.Create(globals), ConfigCommands.Create(globals),

        // Its agents
        AgentCommands.List(globals), AgentCommands.Show(globals), SpawnCommand.Create(globals), .. MoveCommands.Create(globals),
        WaitCommand.Create(globals),

        // Their work
        AssignCommand.Create(globals), TaskListCommand.Create(globals, "tasks"), TaskCommand.Create(globals), OutputCommand.Create(globals),
        ExplainCommand.Create(globals), SteerCommand.Create(globals), SteerCommand.List(globals), CancelCommand.Create(globals),
        RetryCommand.Create(globals), BulkCommand.Create(globals), BacklogCommands.Create(globals), MessageCommands.Send(globals),
        MessageCommands.Inbox(globals), MessageCommands.One(globals), BlobCommands.Create(globals),
        GlobalOptions.Group("fleet", "Several agents and their tasks from one file", FleetRunCommand.Create(globals)),

        // What happened, and what needs a decision
        EventsCommand.Create(globals), HistoryCommand.Create(globals),
        GlobalOptions.Group("ledger", "The log of everything that was done", VerifyCommand.Create(globals), ExportCommand.Create(globals)),
        RecoveryCommands.Recover(globals), RecoveryCommands.Reclaim(globals), LimitCommands.Create(globals), LimitCommands.Tenant(globals),
        KeyCommands.Create(globals), AuthCommands.Create(globals),

        CompletionCommand.Create(globals), SuggestCommand.Create(globals),
    ];

    /// <summary>What is wrong with a command line, and what was probably meant.</summary>
    private static int Refuse(GlobalOptions globals, ParseResult parsed)
    {
        // A word that nobody knows is the mistake; that a command is missing behind it follows from it.
        var (command, name, error) = (parsed.CommandResult.Command, NameOf(parsed.CommandResult), globals.World.Error);
        string[] mistakes =
        [
            .. (parsed.UnmatchedTokens.Count > 0 && command.Subcommands.Count > 0
                ? parsed.UnmatchedTokens.Take(1).Select(word => $"There is no {name} {word}.")
                : parsed.Errors.Select(static mistake => WrongValue.Words(mistake.Message))).Select(Printable.Line),
        ];
        var known = command.Subcommands.Where(static below => !below.Hidden).Select(static below => below.Name)
            .Concat(command.Options.Concat(parsed.RootCommandResult.Command.Options).Select(static option => option.Name));
        var near = string.Join(
            " or ",
            parsed.UnmatchedTokens.SelectMany(typed => DidYouMean.Among(typed, known)).Distinct(StringComparer.Ordinal).Select(word => $"{name} {word}"));
        var failures = FailureWords.Of(globals, parsed);
        if (failures.AreJson)
        {
            return failures.Say(CommandFailure.Usage(string.Join(' ', mistakes) + (near.Length > 0 ? $" Did you mean {near}?" : "")));
        }

        foreach (var mistake in mistakes)
        {
            error.WriteLine($"usage: {mistake}");
        }

        if (near.Length > 0)
        {
            error.WriteLine($"did you mean: {near}");
        }

        error.WriteLine($"try: {name} --help");
        return ExitCodes.Usage;
    }

    private static string NameOf(SymbolResult? result)
    {
        var names = new Stack<string>();
        for (; result is CommandResult command; result = result.Parent)
        {
            names.Push(command.Command is RootCommand ? "tt" : command.Command.Name);
        }

        return string.Join(' ', names);
    }
}
