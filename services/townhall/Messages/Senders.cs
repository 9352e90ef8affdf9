using Townhall.Api.Agents;
using Townhall.Contracts.Ids;
using Townhall.ServiceDefaults.Problems;

namespace Townhall.Api.Messages;

/// <summary>Who a message is from.</summary>
/// <param name="Agent">Null: a person or a program that is no agent.</param>
internal readonly record struct Sender(AgentId? Agent, string Name);

/// <summary>
/// Decides in whose name a caller speaks. Who may do everything (the one caller of a town without authentication, and scope
/// <c>admin</c>) leads the town: as the supervisor, or in the name of any agent there is. Whose credential is bound to an agent
/// speaks as that agent. Everybody else speaks in their own name.
/// </summary>
internal static class Senders
{
    private const string SupervisorName = "supervisor";

    /// <param name="caller">The caller's own name.</param>
    /// <param name="bound">The agent that the caller's credential belongs to.</param>
    /// <param name="leads">The caller may do everything.</param>
    /// <param name="from">Whose name the caller asks for; null for their usual one.</param>
    public static async ValueTask<(Sender Sender, Refusal? Refusal)> OfAsync(
        string caller, AgentId? bound, bool leads, string? from, AgentDirectory directory, AgentStore agents, CancellationToken cancellationToken)
    {
        if (from is null && bound is { } own)
        {
            return await NamedAsync(own, directory, agents, cancellationToken);
        }

        if (from is null)
        {
            return (leads ? new Sender(AgentId.Supervisor, SupervisorName) : new Sender(null, caller), null);
        }

        if (bound is null && !leads && !from.Equals(caller, StringComparison.Ordinal))
        {
            // Before looking: who may not speak for others need not learn who there is.
            return (default, Problems.NotYourName(from));
        }

        if (bound is null && !leads)
        {
            return (new Sender(null, caller), null);
        }

        var (id, refusal) = await directory.MailboxAsync(from, cancellationToken);
        return refusal is not null ? (default, refusal)
            : bound is { } only && id != only ? (default, Problems.NotYourName(from))
            : await NamedAsync(id, directory, agents, cancellationToken);
    }

    private static async ValueTask<(Sender, Refusal?)> NamedAsync(
        AgentId id, AgentDirectory directory, AgentStore agents, CancellationToken cancellationToken)
    {
        if (id == AgentId.Supervisor)
        {
            return (new Sender(id, SupervisorName), null);
        }

        var reference = id.ToString();
        if (await agents.ResolveAsync(reference, cancellationToken) is [var (found, name)])
        {
            return (new Sender(found, name), null);
        }

        directory.Forget(reference);
        return (default, Problems.AgentNotFound(reference));
    }
}
