using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Townhall.Cli.Invoking;

/// <summary>A command whose help begins with lines that can be copied.</summary>
internal sealed class ExampledCommand(string name, string description, string[] examples) : Command(name, description)
{
    public IReadOnlyList<string> Examples { get; } = examples;

    /// <summary>The same command under another name.</summary>
    public ExampledCommand Also(string name)
    {
        Aliases.Add(name);
        return this;
    }
}

/// <summary>Help with its examples first: most people look for a line to change, not for a grammar.</summary>
internal sealed class ExamplesFirst(HelpAction rest) : SynchronousCommandLineAction
{
    /// <summary>What a newcomer does, in this order.</summary>
    private static readonly string[] FirstSteps =
    [
        "tt up                                  # a town on this machine",
        "tt spawn scout --cli sh                # an agent whose tasks are shell scripts",
        "tt assign scout 'ls -l | wc -l'        # hand it work; prints the task's id to a pipe",
        "tt output TASK-ID -f                   # watch it print",
        "tt top                                 # everything, live",
    ];

    /// <summary>Who asks for help need not have typed the rest.</summary>
    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        var examples = parseResult.CommandResult.Command switch
        {
            RootCommand => FirstSteps,
            ExampledCommand command => command.Examples,
            _ => [],
        };
        if (examples.Count > 0)
        {
            var output = parseResult.InvocationConfiguration.Output;
            output.WriteLine("Examples:");
            foreach (var example in examples)
            {
                output.WriteLine($"  {example}");
            }

            output.WriteLine();
        }

        return rest.Invoke(parseResult);
    }

    /// <summary>Puts itself before the help of <paramref name="root"/>.</summary>
    public static void Install(RootCommand root)
    {
        var help = root.Options.OfType<HelpOption>().Single();
        help.Action = new ExamplesFirst((HelpAction)help.Action!);
    }
}
