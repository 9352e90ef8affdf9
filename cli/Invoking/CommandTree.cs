using System.CommandLine;
using System.CommandLine.Parsing;
using Townhall.Cli.Agents;
using Townhall.Cli.Events;
using Townhall.Cli.Fleets;
using Townhall.Cli.LedgerChain;
using Townhall.Cli.Screens;
using Townhall.Cli.Status;
using Townhall.Cli.Tasks;

namespace Townhall.Cli.Invoking;

/// <summary>Every command of <c>tt</c>, in the order of its help.</summary>
internal static class CommandTree
{
    /// <summary>After Ctrl-C a command has so long to say its last words; then the process ends.</summary>
    private static readonly TimeSpan LastWords = TimeSpan.FromSeconds(3);

    public static async Task<int> RunAsync(string[] arguments, World world, CancellationToken cancellationToken)
    {
        // A task's text may begin with @: it is text, never the name of a file with more arguments.
        var parsed = Build(world).Parse(arguments, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (parsed.Errors.Count > 0)
        {
            foreach (var error in parsed.Errors)
            {
                world.Error.WriteLine($"usage: {Printable.Line(error.Message)}");
            }

            world.Error.WriteLine($"try: {NameOf(parsed.CommandResult)} --help");
            return ExitCodes.Usage;
        }

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

    private static RootCommand Build(World world)
    {
        var globals = new GlobalOptions(world);
        var root = new RootCommand("tt talks to a town: it hands work to agents, follows it, and checks afterwards what was done.");
        root.Add(globals.TownUrl);
        root.Add(globals.Json);
        root.Add(StatusCommand.Create(globals));
        root.Add(ScalingCommand.Create(globals));
        root.Add(AgentsCommand.Create(globals));
        root.Add(SpawnCommand.Create(globals));
        root.Add(AssignCommand.Create(globals));
        root.Add(TaskCommand.Create(globals));
        root.Add(ExplainCommand.Create(globals));
        root.Add(OutputCommand.Create(globals));
        root.Add(CancelCommand.Create(globals));
        root.Add(EventsCommand.Create(globals));
        root.Add(new Command("ledger", "The log of everything that was done") { VerifyCommand.Create(globals), ExportCommand.Create(globals) });
        root.Add(new Command("fleet", "Several agents and their tasks from one file") { FleetRunCommand.Create(globals) });
        return root;
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
