using System.ComponentModel.DataAnnotations;
using Microsoft.AspNetCore.Http.HttpResults;
using Townhall.Api.Agents;
using Townhall.Api.Caching;
using Townhall.Api.Text;
using Townhall.Contracts.Tasks;
using Townhall.ServiceDefaults.Authentication;
using Townhall.ServiceDefaults.Problems;

namespace Townhall.Api.Tasks;

internal static class TaskListEndpoints
{
    private const string Pending = "tasks-pending";
    private const int PageMost = 1000;
    private const int PageUsual = 100;

    private static readonly TaskQuery s_pending = new(["assigned"], null, null, null, null, null, null, null, NewestFirst: false);

    public static void AddTaskLists(this IHostApplicationBuilder builder) => builder.Services.AddSingleton<TaskListStore>();

    public static void MapTaskLists(this IEndpointRouteBuilder routes)
    {
        var tasks = routes.MapGroup("/v1/tasks").WithTags("Tasks");
        tasks.MapGet("", ListTasks).RequireAuthorization(Scopes.TownRead).WithEntityTag()
            .WithName("listTasks").WithSummary("Live and ended tasks by filters, newest first")
            .ProducesProblem(400).ProducesProblem(404).ProducesProblem(409);
        tasks.MapGet("/pending", ListPending).RequireAuthorization(Scopes.TownRead).WithEntityTag()
            .WithName("listPendingTasks").WithSummary("Tasks that have an agent and no worker yet, oldest first").ProducesProblem(400);
    }

    /// <param name="state">One or more states, comma separated; <c>in_flight</c> is another word for <c>running</c>.</param>
    internal static async Task<Results<Ok<TaskListView>, Refusal>> ListTasks(
        HttpContext context, AgentDirectory agents, TaskListStore tasks, CancellationToken cancellationToken,
        [RegularExpression("^(pending|assigned|running|in_flight|waiting|completed|failed|cancelled|dead)(,(pending|assigned|running|in_flight|waiting|completed|failed|cancelled|dead))*$")] string? state = null,
        [Plain(256)] string? agent = null, [Plain(TaskLimits.TagLength)] string? tag = null,
        [Microsoft.AspNetCore.Mvc.FromQuery(Name = "created_after"), ReadsAs(typeof(DateTimeOffset))] string? createdAfter = null,
        [Microsoft.AspNetCore.Mvc.FromQuery(Name = "created_before"), ReadsAs(typeof(DateTimeOffset))] string? createdBefore = null,
        [Microsoft.AspNetCore.Mvc.FromQuery(Name = "ended_after"), ReadsAs(typeof(DateTimeOffset))] string? endedAfter = null,
        [Microsoft.AspNetCore.Mvc.FromQuery(Name = "ended_before"), ReadsAs(typeof(DateTimeOffset))] string? endedBefore = null,
        [Microsoft.AspNetCore.Mvc.FromQuery(Name = "retry_of"), ReadsAs(typeof(Guid))] string? retryOf = null,
        [AllowedValues("newest", "oldest")] string? order = null, [Range(1, PageMost)] int limit = PageUsual, string? cursor = null)
    {
        // The parameters are named for the API's description; the query is read as a whole, so that unknown ones are refused.
        _ = (state, agent, tag, createdAfter, createdBefore, endedAfter, endedBefore, retryOf, order);
        var (query, refusal) = await TaskQuery.ReadAsync(context.Request.Query, agents, cancellationToken);
        if (query is null)
        {
            return refusal!;
        }

        if (Fault(query.Name, limit, cursor, out var after) is { } fault)
        {
            return fault;
        }

        var page = await tasks.PageAsync(query, after, limit, cancellationToken);
        return TypedResults.Ok(new TaskListView(page.Rows, page.Rows.Count, page.Next is { } next ? Cursors.Write(query.Name, next) : null));
    }

    internal static async Task<Results<Ok<PendingView>, Refusal>> ListPending(
        TaskListStore tasks, CancellationToken cancellationToken, [Range(1, PageMost)] int limit = PageUsual, string? cursor = null)
    {
        if (Fault(Pending, limit, cursor, out var after) is { } fault)
        {
            return fault;
        }

        var page = await tasks.PageAsync(s_pending, after, limit, cancellationToken);
        return TypedResults.Ok(new PendingView(
            [.. page.Rows.Select(static row => new PendingRow(row.TaskId, row.Description, row.AgentId!.Value, row.AgentName))],
            page.Rows.Count, page.Next is { } next ? Cursors.Write(Pending, next) : null));
    }

    private static Refusal? Fault(string list, int limit, string? cursor, out Guid? after)
    {
        var read = Cursors.TryRead(list, cursor, out var position);
        after = position?.Last;
        return limit is < 1 or > PageMost ? Problems.BadQuery($"limit must be 1 to {PageMost}.") : read ? null : Problems.BadCursor();
    }
}
