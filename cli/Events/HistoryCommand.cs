using System.CommandLine;
using Townhall.Cli.Invoking;

namespace Townhall.Cli.Events;

/// <summary><c>tt history</c>: the last things that happened, of one agent or of all.</summary>
internal static class HistoryCommand
{
    private const int Usual = 30;
    private static readonly Option<int?> Limit = Words.Whole("--limit", ["-n"], "N", $"At most so many (default {Usual})", 1, 10_000);
    private static readonly Option<string?> Agent = new("--agent", "-a") { Description = "Only of this agent, by any of its names", HelpName = Words.Agent };

    public static Command Create(GlobalOptions globals) => globals.Answer(
        "history", "The last things that happened, oldest first", ["tt history -n 100", "tt history --agent scout"], [Limit, Agent],
        static async (invocation, cancellationToken) =>
        {
            // By id, so that its history under an older name belongs to it, and no other's does.
            var id = invocation.Value(Agent) is { } agent ? (await invocation.Town.AgentAsync(agent, cancellationToken)).Id : (Guid?)null;
            return await EventPast.LastAsync(
                invocation.Town, entry => id is null || entry.AgentId == id, invocation.Value(Limit) ?? Usual, cancellationToken);
        },
        EventPast.Write);
}
