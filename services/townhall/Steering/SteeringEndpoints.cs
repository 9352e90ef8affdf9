using System.Diagnostics;
using System.Text.Json;
using Microsoft.AspNetCore.Http.HttpResults;
using Townhall.Api.Caching;
using Townhall.Api.Idempotency;
using Townhall.Api.Tasks;
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
        tasks.MapPost("/steer", SteerTask).RequireAuthorization(Scopes.TownWrite).TakesIdempotencyKey();
        tasks.MapGet("/steering", ListSteering).RequireAuthorization(Scopes.TownRead).WithEntityTag();
    }

    /// <summary>202: noted. A running attempt reads it in its steering file; a later one in its prompt.</summary>
    internal static async Task<Results<Accepted<NotedSteering>, KeyedAnswer, Refusal>> SteerTask(
        string id, NewSteering note, IdempotencyKey? key, Caller caller, TaskStore tasks, SteeringStore steering, KeyStore keys, Doorbell doorbell,
        CancellationToken cancellationToken)
    {
        if (PlainText.Fault("text", note.Text, TaskLimits.SteeringBytes, lines: true) is { } fault)
        {
            return Problems.Invalid(fault);
        }

        if (!TaggedIds.TryRead(id, TaggedIds.Task, out var parsed))
        {
            return Problems.BadTaskId();
        }

        var task = new TaskId(parsed);
        var place = $"/v1/tasks/{task}/steering";
        if (!await tasks.IsInReachAsync(task, caller, cancellationToken))
        {
            return Problems.TaskNotFound(id);
        }

        Noted? noted;
        if (key is null)
        {
            noted = await steering.SteerAsync(task, note.Text!, caller.Name, cancellationToken);
            if (noted is not { Verdict: "noted" })
            {
                return Refused(noted, id);
            }

            doorbell.Ring(Doorbell.Control, task.ToString());
            return TypedResults.Accepted(place, Answer(noted));
        }

        noted = null;
        var outcome = await keys.OnceAsync(
            caller.Name, key, parsed, StatusCodes.Status202Accepted,
            async (connection, stop) => (noted = await steering.SteerAsync(connection, task, note.Text!, caller.Name, stop)) is { Verdict: "noted" }
                ? JsonSerializer.Serialize(Answer(noted), RestJson.Default.NotedSteering)
                : null,
            cancellationToken);
        switch (outcome)
        {
            case KeyOutcome.Answered(var status, var response, var replayed):
                doorbell.Ring(Doorbell.Control, task.ToString());
                return new KeyedAnswer(status, response, place, replayed);
            case KeyOutcome.Reused:
                return Problems.KeyReused();
            case KeyOutcome.NothingMade:
                return Refused(noted, id);
            default:
                throw new UnreachableException();
        }

        NotedSteering Answer(Noted made) => new(made.Id, parsed, made.State, made.Attempt, made.CreatedAt);
    }

    private static Refusal Refused(Noted? noted, string id) => noted switch
    {
        null => Problems.TaskNotFound(id),
        { Verdict: "full" } => Problems.SteeringFull(id),
        _ => Problems.TaskEnded(id, noted.Verdict),
    };

    internal static async Task<Results<Ok<SteeringListView>, Refusal>> ListSteering(
        string id, SteeringStore steering, CancellationToken cancellationToken)
    {
        if (!TaggedIds.TryRead(id, TaggedIds.Task, out var parsed))
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
