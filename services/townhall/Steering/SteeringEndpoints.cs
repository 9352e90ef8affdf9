using Microsoft.AspNetCore.Http.HttpResults;
using Townhall.Api.Caching;
using Townhall.Api.Text;
using Townhall.Contracts.Ids;
using Townhall.Contracts.Tasks;
using Townhall.ServiceDefaults.Authentication;
using Townhall.ServiceDefaults.Problems;
using Townhall.ServiceDefaults.Redis;

namespace Townhall.Api.Steering;

/// <summary>Words for a running or coming attempt. They wait in their rows until an attempt is given them.</summary>
internal static class SteeringEndpoints
{
    public static void AddSteering(this IHostApplicationBuilder builder) => builder.Services.AddSingleton<SteeringStore>();

    public static void MapSteering(this IEndpointRouteBuilder routes)
    {
        var tasks = routes.MapGroup("/v1/tasks/{id}").WithTags("Tasks");
        tasks.MapPost("/steer", SteerTask).RequireAuthorization(Scopes.TownWrite);
        tasks.MapGet("/steering", ListSteering).RequireAuthorization(Scopes.TownRead).WithEntityTag();
    }

    /// <summary>202: noted. A running attempt reads it in its steering file; a later one in its prompt.</summary>
    internal static async Task<Results<Accepted<NotedSteering>, Refusal>> SteerTask(
        string id, NewSteering note, Caller caller, SteeringStore steering, Doorbell doorbell, CancellationToken cancellationToken)
    {
        if (PlainText.Fault("text", note.Text, TaskLimits.SteeringBytes, lines: true) is { } fault)
        {
            return Problems.Invalid(fault);
        }

        if (!Guid.TryParseExact(id, "D", out var parsed))
        {
            return Problems.BadTaskId();
        }

        var noted = await steering.SteerAsync(new TaskId(parsed), note.Text!, caller.Name, cancellationToken);
        switch (noted)
        {
            case null:
                return Problems.TaskNotFound(id);
            case { Verdict: "full" }:
                return Problems.SteeringFull(id);
            case { Verdict: not "noted" }:
                return Problems.TaskEnded(id, noted.Verdict);
            default:
                doorbell.Ring(Doorbell.Control, id);
                return TypedResults.Accepted(
                    $"/v1/tasks/{id}/steering", new NotedSteering(noted.Id, parsed, noted.State, noted.Attempt, noted.CreatedAt));
        }
    }

    internal static async Task<Results<Ok<SteeringListView>, Refusal>> ListSteering(
        string id, SteeringStore steering, CancellationToken cancellationToken)
    {
        if (!Guid.TryParseExact(id, "D", out var parsed))
        {
            return Problems.BadTaskId();
        }

        var notes = await steering.ListAsync(new TaskId(parsed), cancellationToken);
        return notes is null ? Problems.TaskNotFound(id) : TypedResults.Ok(new SteeringListView(notes, notes.Count));
    }
}

/// <summary><c>POST /v1/tasks/{id}/steer</c>.</summary>
/// <param name="Text">At most 16 KiB of UTF-8; all notes of a task together at most 256 KiB.</param>
internal sealed record NewSteering([Plain(TaskLimits.SteeringBytes, Lines = true)] string? Text);

/// <param name="State">Where the task stood when it was noted.</param>
/// <param name="Attempt">Attempts begun by then.</param>
internal sealed record NotedSteering(long SteeringId, Guid TaskId, string State, int Attempt, DateTime CreatedAt);

/// <summary>The notes of a live task, oldest first; those of an ended one are in the ledger.</summary>
internal sealed record SteeringListView(IReadOnlyList<SteeringView> Steering, int Count);

/// <param name="DeliveredAt">When an attempt was last given it; null while none was.</param>
internal sealed record SteeringView(long SteeringId, string Text, string CreatedBy, DateTime CreatedAt, DateTime? DeliveredAt, int? DeliveredAttempt);
