using Townhall.Client.Calls;

namespace Townhall.Client;

public sealed partial class TownClient
{
    /// <summary>Tasks without an agent, oldest first.</summary>
    public IAsyncEnumerable<BacklogTask> BacklogAsync(CancellationToken cancellationToken) => AllAsync(
        async (cursor, stop) =>
        {
            var page = await CallAsync(Call.Get($"v1/backlog{new Query().Add("cursor", cursor)}"), AnswerJson.Default.BacklogPage, stop);
            return (page.Backlog, page.NextCursor);
        },
        cancellationToken);

    public Task<AddedTask> AddToBacklogAsync(NewBacklogTask task, CancellationToken cancellationToken) => CallAsync(
        Call.Post("v1/backlog", Repeat.Keyed, task, RequestJson.Default.NewBacklogTask), AnswerJson.Default.AddedTask, cancellationToken);

    /// <summary>Gives one task of the backlog to an agent.</summary>
    public Task<AssignedTask> ClaimAsync(string id, string agent, CancellationToken cancellationToken) => CallAsync(
        Call.Post($"v1/backlog/{Segment(id)}/claim", Repeat.Doubles, new AgentReference(agent), RequestJson.Default.AgentReference),
        AnswerJson.Default.AssignedTask, cancellationToken);

    public Task<AssignedBacklog> AssignBacklogAsync(string agent, CancellationToken cancellationToken) => CallAsync(
        Call.Post("v1/backlog/assign-all", Repeat.Doubles, new AgentReference(agent), RequestJson.Default.AgentReference),
        AnswerJson.Default.AssignedBacklog, cancellationToken);

    public Task<RemovedTask> RemoveFromBacklogAsync(string id, CancellationToken cancellationToken) =>
        CallAsync(Call.Delete($"v1/backlog/{Segment(id)}"), AnswerJson.Default.RemovedTask, cancellationToken);
}
