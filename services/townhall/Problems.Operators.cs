using Townhall.ServiceDefaults.Problems;

namespace Townhall.Api;

/// <content>Refusals of what people decide about agents and running work.</content>
internal static partial class Problems
{
    public static Refusal AgentMoveRefused(string agent, string move, string control) =>
        new(409, "agent_move_refused", $"Agent {CommonRefusals.Printable(agent)} is {control}: {move} is not possible from there.");

    public static Refusal TooManyAgents(int most) =>
        new(409, "too_many_agents", $"{most} agents that have not ended are the most this town may have: close some, or raise max_agents (TOWN_MAX_AGENTS).");

    public static Refusal AgentNotEnded(string agent) =>
        new(409, "agent_not_ended", $"Agent {CommonRefusals.Printable(agent)} is neither stopped nor in error: its tasks will start by themselves.");

    public static Refusal LimitNotFound(string key) =>
        new(404, "limit_not_found", $"Nobody set a limit for the key {CommonRefusals.Printable(key)}.");

    public static Refusal SteeringFull(string id) =>
        new(409, "steering_full", $"Task {id} has as many words as it can carry; start a new task that says it all.");

    public static Refusal BadTaskId() => BadQuery("A task id is a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057.");
}
