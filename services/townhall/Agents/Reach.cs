using Townhall.Contracts.Ids;
using Townhall.ServiceDefaults.Authentication;
using Townhall.ServiceDefaults.Problems;

namespace Townhall.Api.Agents;

/// <summary>
/// Whom a caller may act on. A credential that is bound to an agent acts on that agent, and on others only with scope
/// <c>agent.manage</c>: another agent's work is to it as if it were not there. Reading is a matter of scope alone.
/// Whatever its scopes are, it never changes or removes its own agent's record and makes no keys: else it could free itself.
/// </summary>
internal static class Reach
{
    /// <summary>The one agent that the caller may act on; null where it is not held to one.</summary>
    public static AgentId? HeldTo(this Caller caller) => caller.May(Scopes.AgentManage) ? null : caller.Agent;

    /// <summary>Whether the caller may act on an agent.</summary>
    public static bool Reaches(this Caller caller, AgentId agent) => caller.HeldTo() is not { } own || own == agent;

    /// <summary>What the caller may act on of what was found: an agent out of reach is nobody.</summary>
    public static AgentReference For(this AgentReference found, Caller caller) =>
        found is AgentReference.One one && !caller.Reaches(one.Id) ? new AgentReference.Nobody() : found;

    /// <summary>The same for an agent that was asked for by <paramref name="reference"/>.</summary>
    public static (AgentId Id, Refusal? Refusal) For(this (AgentId Id, Refusal? Refusal) found, Caller caller, string reference) =>
        found.Refusal is null && !caller.Reaches(found.Id) ? (default, Problems.AgentNotFound(reference)) : found;
}
