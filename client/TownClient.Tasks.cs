using System.Globalization;
using Townhall.Client.Calls;

namespace Townhall.Client;

public sealed partial class TownClient
{
    /// <summary>Hands over one task. When it returns, the task is kept.</summary>
    public Task<AssignedTask> AssignAsync(NewAssignment assignment, CancellationToken cancellationToken) => CallAsync(
        Call.Post("v1/tasks/assign", Repeat.Keyed, assignment, RequestJson.Default.NewAssignment), AnswerJson.Default.AssignedTask,
        cancellationToken);

    /// <summary>Hands over 1 to 500 tasks with one commit; each is judged alone.</summary>
    public Task<BatchAnswer> AssignBatchAsync(IReadOnlyList<NewAssignment> assignments, CancellationToken cancellationToken) => CallAsync(
        Call.Post("v1/tasks/assign-batch", Repeat.Keyed, new NewBatch(assignments), RequestJson.Default.NewBatch),
        AnswerJson.Default.BatchAnswer, cancellationToken);

    public Task<AgentTask> TaskAsync(string id, CancellationToken cancellationToken) =>
        CallAsync(Call.Get(TaskPath(id)), AnswerJson.Default.AgentTask, cancellationToken);

    public Task<TaskPage> TaskPageAsync(TaskQuery query, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(query);
        var asked = new Query()
            .Add("state", query.States.Count == 0 ? null : string.Join(',', query.States)).Add("agent", query.Agent).Add("tag", query.Tag)
            .Add("created_after", query.CreatedAfter).Add("created_before", query.CreatedBefore)
            .Add("ended_after", query.EndedAfter).Add("ended_before", query.EndedBefore)
            .Add("retry_of", query.RetryOf?.ToString()).Add("order", query.OldestFirst ? "oldest" : null)
            .Add("limit", query.Limit).Add("cursor", query.Cursor);
        return CallAsync(Call.Get($"v1/tasks{asked}"), AnswerJson.Default.TaskPage, cancellationToken);
    }

    /// <summary>All tasks that a query finds, page by page.</summary>
    public IAsyncEnumerable<TaskSummary> TasksAsync(TaskQuery query, CancellationToken cancellationToken) => AllAsync(
        async (cursor, stop) =>
        {
            var page = await TaskPageAsync(query with { Cursor = cursor ?? query.Cursor }, stop);
            return (page.Tasks, page.NextCursor);
        },
        cancellationToken);

    /// <summary>Tasks that have an agent and no worker yet, oldest first, page by page.</summary>
    public IAsyncEnumerable<TaskSummary> PendingTasksAsync(CancellationToken cancellationToken) => AllAsync(
        async (cursor, stop) =>
        {
            var page = await CallAsync(
                Call.Get($"v1/tasks/pending{new Query().Add("limit", PageSize).Add("cursor", cursor)}"), AnswerJson.Default.TaskPage, stop);
            return (page.Tasks, page.NextCursor);
        },
        cancellationToken);

    public Task<Explanation> ExplainAsync(string id, CancellationToken cancellationToken) =>
        CallAsync(Call.Get(TaskPath(id, "/explain")), AnswerJson.Default.Explanation, cancellationToken);

    public Task<AgentTask> CancelAsync(string id, CancellationToken cancellationToken) =>
        CallAsync(Call.Post(TaskPath(id, "/cancel"), Repeat.Doubles), AnswerJson.Default.AgentTask, cancellationToken);

    /// <summary>Makes a new task of one that has ended.</summary>
    /// <param name="force">Also of one that completed, or was retried already.</param>
    public Task<AgentTask> RetryAsync(string id, bool force, CancellationToken cancellationToken) => CallAsync(
        force
            ? Call.Post(TaskPath(id, "/retry"), Repeat.Doubles, new RetryRequest(true), RequestJson.Default.RetryRequest)
            : Call.Post(TaskPath(id, "/retry"), Repeat.Doubles),
        AnswerJson.Default.AgentTask, cancellationToken);

    /// <summary>Says something to a running or coming attempt.</summary>
    public Task<NotedSteering> SteerAsync(string id, string text, CancellationToken cancellationToken) => CallAsync(
        Call.Post(TaskPath(id, "/steer"), Repeat.Doubles, new NewSteering(text), RequestJson.Default.NewSteering),
        AnswerJson.Default.NotedSteering, cancellationToken);

    public Task<SteeringNotes> SteeringAsync(string id, CancellationToken cancellationToken) =>
        CallAsync(Call.Get(TaskPath(id, "/steering")), AnswerJson.Default.SteeringNotes, cancellationToken);

    /// <summary>What one attempt of a task printed, from <paramref name="offset"/> on; with <paramref name="follow"/> until it ends.</summary>
    /// <returns>A stream that the caller disposes.</returns>
    public Task<Stream> OutputAsync(string id, int attempt, long offset, bool follow, CancellationToken cancellationToken) => OpenAsync(
        Call.Get(TaskPath(id, $"/output{new Query().Add("attempt", attempt).Add("offset", offset).Flag("follow", follow)}")), cancellationToken);

    /// <summary>Finds and keeps the tasks of a bulk. Nothing changes until its token is confirmed.</summary>
    /// <param name="action"><c>cancel</c>, <c>retry</c> or <c>reassign</c>.</param>
    /// <param name="to">The agent that gets reassigned tasks.</param>
    public Task<BulkDraft> DraftBulkAsync(string action, BulkFilter? filter, string? to, CancellationToken cancellationToken) => CallAsync(
        Call.Post(
            "v1/tasks/bulk", Repeat.Harmless, new BulkRequest(action, filter, to, DryRun: true), RequestJson.Default.BulkRequest),
        AnswerJson.Default.BulkDraft, cancellationToken);

    /// <summary>Lets what a draft kept be done. The token is good once.</summary>
    public Task<BulkProgress> ConfirmBulkAsync(string confirmToken, CancellationToken cancellationToken) => CallAsync(
        Call.Post("v1/tasks/bulk", Repeat.Doubles, new BulkRequest(ConfirmToken: confirmToken), RequestJson.Default.BulkRequest),
        AnswerJson.Default.BulkProgress, cancellationToken);

    public Task<BulkProgress> BulkAsync(Guid id, CancellationToken cancellationToken) => CallAsync(
        Call.Get(string.Create(CultureInfo.InvariantCulture, $"v1/tasks/bulk/{id}")), AnswerJson.Default.BulkProgress, cancellationToken);

    private static string TaskPath(string id, string below = "") => $"v1/tasks/{Segment(id)}{below}";
}
