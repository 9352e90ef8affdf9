using System.Diagnostics;
using System.Text.Json;
using Microsoft.AspNetCore.Http.HttpResults;
using Townhall.Api.Agents;
using Townhall.Api.Caching;
using Townhall.Api.Idempotency;
using Townhall.Contracts.Ids;
using Townhall.ServiceDefaults.Authentication;
using Townhall.ServiceDefaults.Problems;
using Townhall.ServiceDefaults.Redis;

namespace Townhall.Api.Tasks;

internal static class TaskEndpoints
{
    public static void AddTasks(this IHostApplicationBuilder builder)
    {
        builder.Services.AddSingleton<TaskStore>().AddSingleton<Acceptance>();
        builder.Services.AddHostedService(static services => services.GetRequiredService<Acceptance>());
    }

    public static void MapTasks(this IEndpointRouteBuilder routes)
    {
        var tasks = routes.MapGroup("/v1/tasks").WithTags("Tasks");
        tasks.MapPost("/assign", AssignTask).RequireAuthorization(Scopes.TownWrite).TakesIdempotencyKey();
        tasks.MapGet("/{id}", GetTask).RequireAuthorization(Scopes.TownRead).WithEntityTag();
        tasks.MapPost("/{id}/cancel", CancelTask).RequireAuthorization(Scopes.TownWrite);
        tasks.MapPost("/{id}/retry", RetryTask).RequireAuthorization(Scopes.TownWrite).TakesIdempotencyKey();
    }

    internal static async Task<Results<Created<AssignedTask>, KeyedAnswer, Refusal>> AssignTask(
        NewAssignment assignment, IdempotencyKey? key, Caller caller, AgentDirectory agents, Acceptance acceptance,
        CancellationToken cancellationToken)
    {
        if (assignment.Fault() is { } fault)
        {
            return fault;
        }

        var reference = assignment.Agent!;
        var found = (await agents.ResolveAsync(reference, cancellationToken)).For(caller);
        if (key is null && found is not AgentReference.One)
        {
            return TaskRefusals.Unknown(found, reference);
        }

        // With a key also what names nobody is offered: a repeat gets its answer although the agent has gone since.
        var agent = found is AgentReference.One one ? one.Id : default;
        var made = new AssignedTask(TaskId.New().Value, agent.Value, reference);
        var response = key is null ? null : JsonSerializer.Serialize(made, TownhallJson.Default.AssignedTask);
        var task = assignment.ToTask(new(made.TaskId), agent, caller.Name, key, response);
        var judged = await acceptance.AcceptAsync(task, cancellationToken);
        switch (judged.Outcome)
        {
            case AcceptOutcome.Accepted when response is null:
                return TypedResults.Created($"/v1/tasks/{made.TaskId}", made);
            case AcceptOutcome.Accepted:
                return KeyedAnswer.Made(201, response, "/v1/tasks/", "task_id", replayed: false);
            case AcceptOutcome.Replayed:
                return KeyedAnswer.Made(judged.Status, judged.Response!, "/v1/tasks/", "task_id", replayed: true);
            case AcceptOutcome.AgentNotFound:
                agents.Forget(reference);
                return TaskRefusals.Unknown(found, reference);
            case var refused:
                return TaskRefusals.Of(refused, reference);
        }
    }

    internal static async Task<Results<Ok<TaskView>, Refusal>> GetTask(string id, TaskStore tasks, CancellationToken cancellationToken) =>
        TaggedIds.TryRead(id, TaggedIds.Task, out var parsed)
            ? await tasks.FindAsync(new TaskId(parsed), cancellationToken) is { } task ? TypedResults.Ok(task) : Problems.TaskNotFound(id)
            : NotAnId();

    /// <summary>200 when it is cancelled, 202 when it runs and its worker was told to end it.</summary>
    internal static async Task<Results<Ok<TaskView>, Accepted<TaskView>, Refusal>> CancelTask(
        string id, Caller caller, TaskStore tasks, Doorbell doorbell, CancellationToken cancellationToken)
    {
        if (!TaggedIds.TryRead(id, TaggedIds.Task, out var parsed))
        {
            return NotAnId();
        }

        var task = new TaskId(parsed);
        if (!await tasks.IsInReachAsync(task, caller, cancellationToken))
        {
            return Problems.TaskNotFound(id);
        }

        var state = await tasks.CancelAsync(task, caller.Name, cancellationToken);
        if (state is null)
        {
            return Problems.TaskNotFound(id);
        }

        doorbell.Ring(Doorbell.Control, task.ToString());
        var view = await tasks.FindAsync(task, cancellationToken);
        return (state, view) switch
        {
            (_, null) => Problems.TaskNotFound(id),
            ("cancelled", var ended) => TypedResults.Ok(ended),
            ("running", var running) => TypedResults.Accepted($"/v1/tasks/{task}", running),
            _ => Problems.TaskEnded(id, state),
        };
    }

    /// <summary>201 with the new task. The ended one stays as it ended.</summary>
    internal static async Task<Results<Created<TaskView>, KeyedAnswer, Refusal>> RetryTask(
        string id, RetryRequest? request, IdempotencyKey? key, Caller caller, TaskStore tasks, KeyStore keys, Doorbell doorbell, CancellationToken cancellationToken)
    {
        if (!TaggedIds.TryRead(id, TaggedIds.Task, out var parsed))
        {
            return NotAnId();
        }

        var (ended, made, force) = (new TaskId(parsed), TaskId.New(), request?.Force ?? false);
        if (!await tasks.IsInReachAsync(ended, caller, cancellationToken))
        {
            return Problems.TaskNotFound(id);
        }

        if (key is null)
        {
            var verdict = await tasks.RetryAsync(ended, made, force, caller.Name, cancellationToken);
            if (verdict != "retried")
            {
                return TaskRefusals.OfRetry(verdict, id);
            }

            var view = await tasks.FindAsync(made, cancellationToken);
            doorbell.Ring(Doorbell.Work, view!.AgentId.ToString()!);
            return TypedResults.Created($"/v1/tasks/{made}", view);
        }

        var refused = "";
        TaskView? kept = null;
        var outcome = await keys.OnceAsync(
            caller.Name, key, made.Value, StatusCodes.Status201Created,
            async (connection, stop) =>
            {
                refused = await tasks.RetryAsync(connection, ended, made, force, caller.Name, stop);
                kept = refused == "retried" ? await tasks.FindAsync(connection, made, stop) : null;
                return kept is null ? null : JsonSerializer.Serialize(kept, TownhallJson.Default.TaskView);
            },
            cancellationToken);
        switch (outcome)
        {
            case KeyOutcome.Answered(var status, var response, var replayed):
                if (kept?.AgentId is { } agent)
                {
                    doorbell.Ring(Doorbell.Work, agent.ToString());
                }

                return KeyedAnswer.Made(status, response, "/v1/tasks/", "task_id", replayed);
            case KeyOutcome.Reused:
                return Problems.KeyReused();
            case KeyOutcome.NothingMade:
                return TaskRefusals.OfRetry(refused, id);
            default:
                throw new UnreachableException();
        }
    }

    private static Refusal NotAnId() => Problems.BadQuery("A task id is a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057.");
}
