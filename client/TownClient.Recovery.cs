using Townhall.Client.Calls;

namespace Townhall.Client;

public sealed partial class TownClient
{
    /// <summary>Ends the leases of workers that are gone.</summary>
    /// <param name="dryRun">Only says what would be done, as in the next three.</param>
    public Task<RecoveredAgents> RecoverAsync(bool dryRun, CancellationToken cancellationToken) => CallAsync(
        Call.Post($"v1/recover{new Query().Flag("dry_run", dryRun)}", Repeat.Harmless), AnswerJson.Default.RecoveredAgents, cancellationToken);

    /// <summary>Moves tasks of agents that have ended; without a destination it only lists them.</summary>
    /// <param name="to">The agent that gets them.</param>
    /// <param name="from">Only of this agent; null: of all that have ended.</param>
    public Task<ReclaimedTasks> ReclaimAsync(
        bool toBacklog, string? to, string? from, bool dryRun, CancellationToken cancellationToken) => CallAsync(
        Call.Post(
            $"v1/reclaim{new Query().Flag("dry_run", dryRun)}", dryRun ? Repeat.Harmless : Repeat.Doubles,
            new ReclaimRequest(toBacklog ? true : null, to, from), RequestJson.Default.ReclaimRequest),
        AnswerJson.Default.ReclaimedTasks, cancellationToken);

    /// <param name="action"><c>list</c>, <c>to_backlog</c>, <c>cancel</c> or <c>delete</c>.</param>
    public Task<OrphanTasks> ReclaimOrphansAsync(string action, bool dryRun, CancellationToken cancellationToken) => CallAsync(
        Call.Post(
            $"v1/reclaim/orphan-tasks{new Query().Flag("dry_run", dryRun)}",
            dryRun || action == "list" ? Repeat.Harmless : Repeat.Doubles, new OrphansRequest(action), RequestJson.Default.OrphansRequest),
        AnswerJson.Default.OrphanTasks, cancellationToken);

    /// <summary>Removes agents that have ended and have no live task.</summary>
    /// <param name="all">Cold ones, too.</param>
    public Task<PrunedAgents> PruneAsync(bool all, bool dryRun, CancellationToken cancellationToken) => CallAsync(
        Call.Post(
            $"v1/agents/prune{new Query().Flag("dry_run", dryRun)}", dryRun ? Repeat.Harmless : Repeat.Doubles, new PruneRequest(all),
            RequestJson.Default.PruneRequest),
        AnswerJson.Default.PrunedAgents, cancellationToken);
}
