using System.Diagnostics;
using Microsoft.AspNetCore.Http.HttpResults;
using Townhall.Api.Agents;
using Townhall.Contracts.Ids;
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
        tasks.MapPost("/assign", AssignTask);
        tasks.MapGet("/{id}", GetTask);
        tasks.MapPost("/{id}/cancel", CancelTask);
    }

    internal static async Task<Results<Created<AssignedTask>, Refusal>> AssignTask(
        NewAssignment assignment, AgentDirectory agents, Acceptance acceptance, CancellationToken cancellationToken)
    {
        if (assignment.Fault() is { } fault)
        {
            return fault;
        }

        var reference = assignment.Agent!;
        switch (await agents.ResolveAsync(reference, cancellationToken))
        {
            case AgentReference.Nobody:
                return Problems.AgentNotFound(reference);
            case AgentReference.Several:
                return Problems.AgentAmbiguous(reference);
            case AgentReference.One one:
                var id = TaskId.New();
                var outcome = await acceptance.AcceptAsync(assignment.ToTask(id, one.Id, Callers.Local), cancellationToken);
                return Answer(outcome, id, one, reference, agents);
            default:
                throw new UnreachableException();
        }
    }

    internal static async Task<Results<Ok<TaskView>, Refusal>> GetTask(string id, TaskStore tasks, CancellationToken cancellationToken) =>
        Guid.TryParseExact(id, "D", out var parsed)
            ? await tasks.FindAsync(new TaskId(parsed), cancellationToken) is { } task ? TypedResults.Ok(task) : Problems.TaskNotFound(id)
            : NotAnId();

    /// <summary>200 when it is cancelled, 202 when it runs and its worker was told to end it.</summary>
    internal static async Task<Results<Ok<TaskView>, Accepted<TaskView>, Refusal>> CancelTask(
        string id, TaskStore tasks, Doorbell doorbell, CancellationToken cancellationToken)
    {
        if (!Guid.TryParseExact(id, "D", out var parsed))
        {
            return NotAnId();
        }

        var task = new TaskId(parsed);
        var state = await tasks.CancelAsync(task, Callers.Local, cancellationToken);
        if (state is null)
        {
            return Problems.TaskNotFound(id);
        }

        doorbell.Ring(Doorbell.Control, id);
        var view = await tasks.FindAsync(task, cancellationToken);
        return (state, view) switch
        {
            (_, null) => Problems.TaskNotFound(id),
            ("cancelled", var ended) => TypedResults.Ok(ended),
            ("running", var running) => TypedResults.Accepted($"/v1/tasks/{id}", running),
            _ => Problems.TaskEnded(id, state),
        };
    }

    private static Refusal NotAnId() => Problems.BadQuery("A task id is a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057.");

    private static Results<Created<AssignedTask>, Refusal> Answer(
        AcceptOutcome outcome, TaskId id, AgentReference.One agent, string reference, AgentDirectory agents)
    {
        switch (outcome)
        {
            case AcceptOutcome.Accepted:
                return TypedResults.Created($"/v1/tasks/{id}", new AssignedTask(id.Value, agent.Id.Value, reference));
            case AcceptOutcome.AgentNotFound:
                agents.Forget(reference);
                return Problems.AgentNotFound(reference);
            default:
                return Problems.AgentNotAccepting(reference);
        }
    }
}
