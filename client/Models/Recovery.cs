namespace Townhall.Client;

/// <param name="Checked">Agents with running work.</param>
/// <param name="Recovered">Those whose workers are gone.</param>
public sealed record RecoveredAgents(int Checked, int Recovered, string[] Agents, int Leases = 0, bool DryRun = false);

internal sealed record ReclaimRequest(bool? ToBacklog = null, string? To = null, string? From = null);

internal sealed record OrphansRequest(string? Action = null);

internal sealed record PruneRequest(bool All);

/// <param name="Destination"><c>Backlog</c>, <c>Listed</c> (nothing changed) or <c>Agent("name")</c>.</param>
/// <param name="Tasks">The first 1000 of them.</param>
/// <param name="Messages">Messages that moved, too; only to an agent.</param>
/// <param name="More">One call moves so many; call again for the rest.</param>
public sealed record ReclaimedTasks(
    int Reclaimed, string Destination, OrphanTask[]? Tasks = null, int Messages = 0, bool More = false, bool DryRun = false);

public sealed record OrphanTasks(string Action, int Count, OrphanTask[] Orphans, bool More = false, bool DryRun = false);

/// <param name="Reason"><c>agent_terminal</c> or <c>agent_missing</c>.</param>
public sealed record OrphanTask(Guid TaskId, Guid? AssignedTo, string State, string Reason, string? AgentName = null);
