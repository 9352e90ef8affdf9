using System.CommandLine;
using Townhall.Cli.Invoking;
using Townhall.Cli.Status;
using Townhall.Cli.Town;

namespace Townhall.Cli.Agents;

/// <summary><c>tt agents</c>: every agent of the town.</summary>
internal static class AgentsCommand
{
    public static Command Create(GlobalOptions globals) => globals.Command("agents", "Every agent of the town", [], RunAsync);

    private static async Task<int> RunAsync(Invocation invocation, CancellationToken cancellationToken)
    {
        var agents = await invocation.Town.AgentsAsync(cancellationToken);
        if (invocation.Json)
        {
            invocation.Screen.Json(new AgentList(agents, agents.Count), TownJson.Readable.AgentList);
        }
        else
        {
            invocation.Screen.Answers.Write(AgentTable.Of([.. agents]));
        }

        return ExitCodes.Ok;
    }
}
