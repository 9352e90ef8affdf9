using System.Diagnostics;
using Townhall.Api.Agents;
using Townhall.ServiceDefaults.Problems;

namespace Townhall.Api.Tasks;

/// <summary>What a judgement means to the caller.</summary>
internal static class TaskRefusals
{
    public static Refusal Unknown(AgentReference found, string reference) =>
        found switch
        {
            AgentReference.Several => Problems.AgentAmbiguous(reference),
            AgentReference.Supervisor => Problems.IsSupervisor(),
            _ => Problems.AgentNotFound(reference),
        };

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

    /// <summary>The refusal for a verdict of SQL function <c>retry_tasks</c>.</summary>
    public static Refusal OfRetry(string verdict, string id) => verdict switch
    {
        "task_not_found" => Problems.TaskNotFound(id),
        "task_not_ended" => Problems.TaskNotEnded(id),
        "task_completed" => Problems.TaskCompleted(id),
        "already_retried" => Problems.AlreadyRetried(id),
        "agent_not_found" => Problems.AgentNotFound($"of task {id}"),
        "agent_not_accepting" => Problems.AgentNotAccepting($"of task {id}"),
        // Its time to the deadline is counted from now: only one that never had any time is over already.
        "deadline_passed" => Problems.DeadlinePassed(),
        _ => throw new UnreachableException(),
    };
}
