using System.Diagnostics;
using Townhall.Api.Agents;
using Townhall.ServiceDefaults.Problems;

namespace Townhall.Api.Tasks;

/// <summary>What a judgement means to the caller.</summary>
internal static class TaskRefusals
{
    public static Refusal Unknown(AgentReference found, string reference) =>
        found is AgentReference.Several ? Problems.AgentAmbiguous(reference) : Problems.AgentNotFound(reference);

    /// <summary>The refusal for an outcome that made nothing and replayed nothing.</summary>
    public static Refusal Of(AcceptOutcome outcome, string reference) => outcome switch
    {
        AcceptOutcome.AgentNotFound => Problems.AgentNotFound(reference),
        AcceptOutcome.AgentNotAccepting => Problems.AgentNotAccepting(reference),
        AcceptOutcome.DeadlinePassed => Problems.DeadlinePassed(),
        AcceptOutcome.KeyReused => Problems.KeyReused(),
        AcceptOutcome.Again => CommonRefusals.Overloaded,
        _ => throw new UnreachableException(),
    };
}
