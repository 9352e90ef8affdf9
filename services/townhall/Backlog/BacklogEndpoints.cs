using System.ComponentModel.DataAnnotations;
using System.Diagnostics;
using System.Text.Json;
using Microsoft.AspNetCore.Http.HttpResults;
using Townhall.Api.Agents;
using Townhall.Api.Caching;
using Townhall.Api.Idempotency;
using Townhall.Api.Tasks;
using Townhall.Contracts.Ids;
using Townhall.ServiceDefaults.Authentication;
using Townhall.ServiceDefaults.Problems;
using Townhall.ServiceDefaults.Redis;

namespace Townhall.Api.Backlog;

/// <summary>Work that is nobody's yet. Nothing leaves it before it is certain who gets it.</summary>
internal static class BacklogEndpoints
{
    private const string List = "backlog";
    private const int PageMost = 1000;
    private const int PageUsual = 100;

    public static void AddBacklog(this IHostApplicationBuilder builder) => builder.Services.AddSingleton<BacklogStore>();

    public static void MapBacklog(this IEndpointRouteBuilder routes)
    {
        var backlog = routes.MapGroup("/v1/backlog").WithTags("Backlog");
        backlog.MapGet("", ListBacklog).RequireAuthorization(Scopes.TownRead).WithEntityTag()
            .WithName("listBacklog").WithSummary("The backlog, oldest first").ProducesProblem(400);
        backlog.MapPost("", AddTask).RequireAuthorization(Scopes.TownWrite).TakesIdempotencyKey()
            .WithName("addToBacklog").WithSummary("Add a task that is nobody's yet").ProducesProblem(422);
        backlog.MapPost("/{task_id}/claim", ClaimTask).RequireAuthorization(Scopes.TownWrite)
            .WithName("claimFromBacklog").WithSummary("Give one task of the backlog to an agent").ProducesProblem(404).ProducesProblem(409);
        backlog.MapPost("/assign-all", AssignAll).RequireAuthorization(Scopes.TownWrite)
            .WithName("assignBacklog").WithSummary("Give the whole backlog to an agent").ProducesProblem(404).ProducesProblem(409);
        backlog.MapDelete("/{task_id}", RemoveTask).RequireAuthorization(Scopes.TownWrite)
            .WithName("removeFromBacklog").WithSummary("Withdraw a task of the backlog").ProducesProblem(400).ProducesProblem(404);
    }

    internal static async Task<Results<Ok<BacklogView>, Refusal>> ListBacklog(
        BacklogStore backlog, CancellationToken cancellationToken, [Range(1, PageMost)] int limit = PageUsual, string? cursor = null)
    {
        if (limit is < 1 or > PageMost)
        {
            return Problems.BadQuery($"limit must be 1 to {PageMost}.");
        }

        if (!Cursors.TryRead(List, cursor, out var after))
        {
            return Problems.BadCursor();
        }

        var (page, total) = await backlog.ListAsync(after?.Last ?? Guid.Empty, limit + 1, cancellationToken);
        var shown = page.Count > limit ? [.. page.Take(limit)] : page;
        return TypedResults.Ok(new BacklogView(shown, shown.Count, total, page.Count > limit ? Cursors.Write(List, shown[^1].TaskId) : null));
    }

    internal static async Task<Results<Created<AddedTask>, KeyedAnswer, Refusal>> AddTask(
        NewBacklogTask task, IdempotencyKey? key, Caller caller, BacklogStore backlog, KeyStore keys, Doorbell doorbell, CancellationToken cancellationToken)
    {
        if (task.Fault() is { } fault)
        {
            return fault;
        }

        var id = TaskId.New();
        var made = new AddedTask(id.Value, task.Description!);
        if (key is null)
        {
            if (!await backlog.AddAsync(id, task, caller.Name, cancellationToken))
            {
                return Problems.DeadlinePassed();
            }

            doorbell.Ring(Doorbell.Work, Doorbell.Backlog);
            return TypedResults.Created($"/v1/tasks/{id}", made);
        }

        var outcome = await keys.OnceAsync(
            caller.Name, key, id.Value, StatusCodes.Status201Created,
            async (connection, stop) => await backlog.AddAsync(connection, id, task, caller.Name, stop)
                ? JsonSerializer.Serialize(made, RestJson.Default.AddedTask)
                : null,
            cancellationToken);
        switch (outcome)
        {
            case KeyOutcome.Answered(var status, var response, var replayed):
                doorbell.Ring(Doorbell.Work, Doorbell.Backlog);
                return KeyedAnswer.Made(status, response, "/v1/tasks/", "task_id", replayed);
            case KeyOutcome.Reused:
                return Problems.KeyReused();
            case KeyOutcome.NothingMade:
                return Problems.DeadlinePassed();
            default:
                throw new UnreachableException();
        }
    }

    /// <summary>Atomic and conditional: the task is the agent's afterwards, or it is where it was.</summary>
    internal static async Task<Results<Ok<AssignedTask>, Refusal>> ClaimTask(
        [Microsoft.AspNetCore.Mvc.FromRoute(Name = "task_id")] string id, NewClaim claim, Caller caller, AgentDirectory directory, BacklogStore backlog,
        TaskStore tasks, Doorbell doorbell, CancellationToken cancellationToken)
    {
        if (!TaggedIds.TryRead(id, TaggedIds.Task, out var parsed))
        {
            return Problems.BadTaskId();
        }

        var (agent, refusal) = (await directory.WorkingAsync(claim.Agent, cancellationToken)).For(caller, claim.Agent!);
        if (refusal is not null)
        {
            return refusal;
        }

        var task = new TaskId(parsed);
        var taken = await backlog.TakeAsync(task, agent, caller.Name, cancellationToken);
        switch (taken.Verdict)
        {
            case "taken":
                doorbell.Ring(Doorbell.Work, agent.ToString());
                return TypedResults.Ok(new AssignedTask(parsed, agent.Value, claim.Agent!));
            case "nothing":
                return await tasks.FindAsync(task, cancellationToken) is { } found
                    ? Problems.NotInBacklog(id, found.State) : Problems.TaskNotFound(id);
            default:
                return Refused(taken.Verdict, claim.Agent!, directory);
        }
    }

    internal static async Task<Results<Ok<AssignedAll>, Refusal>> AssignAll(
        NewClaim claim, Caller caller, AgentDirectory directory, BacklogStore backlog, Doorbell doorbell, CancellationToken cancellationToken)
    {
        var (agent, refusal) = (await directory.WorkingAsync(claim.Agent, cancellationToken)).For(caller, claim.Agent!);
        if (refusal is not null)
        {
            return refusal;
        }

        var (taken, more) = await backlog.TakeAllAsync(agent, caller.Name, cancellationToken);
        if (taken.Verdict is "agent_not_found" or "agent_not_accepting")
        {
            return Refused(taken.Verdict, claim.Agent!, directory);
        }

        if (taken.Tasks.Count > 0)
        {
            doorbell.Ring(Doorbell.Work, agent.ToString());
        }

        return TypedResults.Ok(new AssignedAll(taken.Tasks.Count, [.. taken.Tasks.Take(PageMost)], more));
    }

    /// <summary>It ends as cancelled: nothing that was accepted vanishes.</summary>
    internal static async Task<Results<Ok<RemovedTask>, Refusal>> RemoveTask(
        [Microsoft.AspNetCore.Mvc.FromRoute(Name = "task_id")] string id, Caller caller, BacklogStore backlog, TaskStore tasks,
        CancellationToken cancellationToken) =>
        !TaggedIds.TryRead(id, TaggedIds.Task, out var parsed) ? Problems.BadTaskId()
        : await tasks.IsInReachAsync(new TaskId(parsed), caller, cancellationToken)
            && await backlog.RemoveAsync(new TaskId(parsed), caller.Name, cancellationToken) ? TypedResults.Ok(new RemovedTask(true, parsed))
        : Problems.NothingToRemove(id);

    private static Refusal Refused(string verdict, string reference, AgentDirectory directory)
    {
        if (verdict == "agent_not_accepting")
        {
            return Problems.AgentNotAccepting(reference);
        }

        directory.Forget(reference);
        return Problems.AgentNotFound(reference);
    }
}
