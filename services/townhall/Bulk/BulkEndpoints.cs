using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http.HttpResults;
using Townhall.Api.Agents;
using Townhall.Api.Caching;
using Townhall.Api.Tasks;
using Townhall.Contracts.Ids;
using Townhall.ServiceDefaults.Authentication;
using Townhall.ServiceDefaults.Problems;

namespace Townhall.Api.Bulk;

/// <summary>One decision about many tasks: looked at first, then done to exactly what was looked at.</summary>
internal static class BulkEndpoints
{
    private const int TokenBytes = 32;

    public static void AddBulk(this IHostApplicationBuilder builder)
    {
        builder.Services.AddSingleton<BulkStore>().AddSingleton<BulkRunner>();
        builder.Services.AddHostedService(static services => services.GetRequiredService<BulkRunner>());
    }

    public static void MapBulk(this IEndpointRouteBuilder routes)
    {
        var bulk = routes.MapGroup("/v1/tasks/bulk").WithTags("Tasks");
        bulk.MapPost("", BeginBulk).RequireAuthorization(Scopes.TownWrite);
        bulk.MapGet("/{id}", GetBulk).RequireAuthorization(Scopes.TownRead).WithEntityTag();
    }

    /// <summary>200 with what a dry run froze; 202 when a token lets it run.</summary>
    internal static async Task<Results<Ok<BulkDraft>, Accepted<BulkView>, Refusal>> BeginBulk(
        NewBulk bulk, Caller caller, BulkStore store, BulkRunner runner, TaskStore tasks, AgentDirectory agents, CancellationToken cancellationToken)
    {
        if (bulk.Fault() is { } fault)
        {
            return fault;
        }

        if (bulk.ConfirmToken is { } confirmed)
        {
            if (await store.ConfirmAsync(Hash(confirmed), caller.Name, cancellationToken) is not { } started)
            {
                return Problems.BulkTokenRefused();
            }

            runner.Ring();
            return TypedResults.Accepted($"/v1/tasks/bulk/{started}", await store.FindAsync(started, cancellationToken));
        }

        var (agent, noAgent) = await ResolveAsync(bulk.Filter?.Agent, agents, cancellationToken);
        var (to, noTarget) = await ResolveAsync(bulk.To, agents, cancellationToken);
        if ((noAgent ?? noTarget) is { } refusal)
        {
            return refusal;
        }

        var id = TaskId.New().Value;
        var token = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(TokenBytes));
        var (count, expiresAt, oldest) = await store.FreezeAsync(id, bulk, agent, to, Hash(token), caller.Name, cancellationToken);
        return expiresAt is { } end
            ? TypedResults.Ok(new BulkDraft(id, count, await tasks.FindAsync(oldest, cancellationToken), token, end))
            : Problems.BulkTooLarge(NewBulk.TasksMost);
    }

    internal static async Task<Results<Ok<BulkView>, Refusal>> GetBulk(string id, BulkStore store, CancellationToken cancellationToken) =>
        Guid.TryParseExact(id, "D", out var parsed) && await store.FindAsync(parsed, cancellationToken) is { } bulk
            ? TypedResults.Ok(bulk)
            : Problems.BulkNotFound(id);

    private static async Task<(Guid? Id, Refusal? Refusal)> ResolveAsync(
        string? reference, AgentDirectory agents, CancellationToken cancellationToken)
    {
        if (reference is null)
        {
            return (null, null);
        }

        var (id, refusal) = await agents.OneAsync(reference, cancellationToken);
        return refusal is null ? (id.Value, null) : (null, refusal);
    }

    private static byte[] Hash(string token) => SHA256.HashData(Encoding.UTF8.GetBytes(token));
}
