using Microsoft.AspNetCore.Http.HttpResults;
using Townhall.Api.Caching;
using Townhall.Contracts.Ids;
using Townhall.ServiceDefaults.Authentication;
using Townhall.ServiceDefaults.Problems;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Api.Explain;

internal static class ExplainEndpoints
{
    public static void AddExplain(this IHostApplicationBuilder builder) => builder.Services.AddSingleton<ExplainStore>();

    public static void MapExplain(this IEndpointRouteBuilder routes) =>
        routes.MapGet("/v1/tasks/{id}/explain", ExplainTask).RequireAuthorization(Scopes.TownRead).WithEntityTag().WithTags("Tasks");

    /// <summary>Why it waits now, since when, what would change it, and how many come before it.</summary>
    internal static async Task<Results<Ok<ExplanationView>, Refusal>> ExplainTask(
        string id, ExplainStore explain, TownSettings town, CancellationToken cancellationToken)
    {
        if (!TaggedIds.TryRead(id, TaggedIds.Task, out var parsed))
        {
            return Problems.BadTaskId();
        }

        return await explain.ReadAsync(new TaskId(parsed), cancellationToken) is { } facts
            ? TypedResults.Ok(Explanations.Of(parsed, facts, town.MaxWorkers))
            : Problems.TaskNotFound(id);
    }
}
