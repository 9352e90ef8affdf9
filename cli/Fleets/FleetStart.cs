using Townhall.Cli.Invoking;
using Townhall.Client;

namespace Townhall.Cli.Fleets;

/// <summary>Makes what a plan needs: the agents that are not there yet, then its tasks.</summary>
internal static class FleetStart
{
    /// <summary>A name that means another agent is found before anything is made. A town that is full refuses the first agent too many;
    /// those made before stay, and the same command goes on from there once there is room.</summary>
    public static async Task<int> AgentsAsync(FleetPlan plan, TownClient town, CancellationToken cancellationToken)
    {
        var there = (await town.AgentsAsync(cancellationToken).ToListAsync(cancellationToken)).ToLookup(static agent => agent.Name, StringComparer.OrdinalIgnoreCase);
        var others = plan.Agents
            .SelectMany(agent => there[agent.TownName].Where(other => other.Cli != agent.Cli))
            .Select(static other => $"{other.Name} runs '{other.Cli}'")
            .ToArray();
        if (others.Length > 0)
        {
            throw new CommandFailure(
                ExitCodes.Conflict, "agent_differs",
                $"The town has agents of these names that run something else: {string.Join(", ", others)}. Rename them in the fleet file.");
        }

        var made = 0;
        foreach (var agent in plan.Agents.Where(agent => !there.Contains(agent.TownName)))
        {
            await town.SpawnAsync(new NewAgent(agent.TownName, agent.Cli, MaxConcurrency: agent.MaxConcurrency, Grant: agent.Grant), cancellationToken);
            made++;
        }

        return made;
    }

    /// <summary>Hands over the tasks in their order, telling each as soon as it is kept.</summary>
    public static async Task TasksAsync(
        FleetPlan plan, TownClient town, Action<FleetTaskRun> kept, CancellationToken cancellationToken)
    {
        foreach (var task in plan.Tasks)
        {
            var assigned = await town.AssignAsync(
                new NewAssignment(task.Agent.TownName, task.Text, [$"fleet:{plan.Name}"]), cancellationToken);
            kept(new FleetTaskRun(task, assigned.TaskId));
        }
    }
}
