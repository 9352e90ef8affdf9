using System.CommandLine;
using Townhall.Cli.Invoking;
using Townhall.Cli.Screens;
using Townhall.Client;

namespace Townhall.Cli.Tasks;

/// <summary><c>tt task current</c>: what an agent works on now. Inside an agent's command it needs no name.</summary>
internal static class CurrentCommand
{
    /// <summary>Set for the commands of agents; the second as an earlier tool called it.</summary>
    public static readonly string[] NameVariables = ["TOWNHALL_AGENT_NAME", "TINYTOWN_AGENT_NAME"];

    private static readonly Argument<string?> Agent = new(Words.Agent)
    {
        Description = "Whose (default: the agent whose command this runs in)",
        Arity = ArgumentArity.ZeroOrOne,
    };

    public static Command Create(GlobalOptions globals) => globals.Answer(
        "current", "What an agent works on now", ["tt task current scout"], [Agent],
        static async (invocation, cancellationToken) =>
        {
            var page = await invocation.Town.TaskPageAsync(
                new TaskQuery { States = ["running"], Agent = Whose(invocation, invocation.Optional(Agent)), Limit = 100 }, cancellationToken);
            return new TaskList(page.Tasks, page.Tasks.Length);
        },
        static (invocation, list) => invocation.Screen.Answers.Write(TaskTable.Of([.. list.Tasks], invocation.Screen.Size.Columns)));

    /// <summary>The agent that was named, or the one in whose command this runs.</summary>
    public static string Whose(Invocation invocation, string? named) =>
        named ?? NameVariables.Select(invocation.World.Environment).FirstOrDefault(static name => !string.IsNullOrEmpty(name))
        ?? throw CommandFailure.Usage($"Say which agent; outside an agent's command {NameVariables[0]} is not set.");
}
