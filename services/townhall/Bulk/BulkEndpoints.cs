using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http.HttpResults;
using Npgsql;
using Townhall.Api.Agents;
using Townhall.Api.Caching;
using Townhall.Api.Idempotency;
using Townhall.Api.Tasks;
using Townhall.Contracts.Ids;
using Townhall.ServiceDefaults.Authentication;
using Townhall.ServiceDefaults.Problems;

namespace Townhall.Api.Bulk;

/// <summary>One decision about many tasks: looked at first, then done to exactly what was looked at.</summary>
internal static class BulkEndpoints
{
    private const int TokenBytes = 32;
    private const string Place = "/v1/tasks/bulk/";

    public static void AddBulk(this IHostApplicationBuilder builder)
    {
        builder.Services.AddSingleton<BulkStore>().AddSingleton<BulkRunner>();
        builder.Services.AddHostedService(static services => services.GetRequiredService<BulkRunner>());
    }

    public static void MapBulk(this IEndpointRouteBuilder routes)
    {
        var bulk = routes.MapGroup("/v1/tasks/bulk").WithTags("Tasks");
        bulk.MapPost("", BeginBulk).RequireAuthorization(Scopes.TownWrite).TakesIdempotencyKey();
        bulk.MapGet("/{id}", GetBulk).RequireAuthorization(Scopes.TownRead).WithEntityTag();
    }

    /// <summary>200 with what a dry run froze; 202 when a token lets it run.</summary>
    internal static async Task<Results<Ok<BulkDraft>, Accepted<BulkView>, KeyedAnswer, Refusal>> BeginBulk(
        NewBulk bulk, IdempotencyKey? key, Caller caller, BulkStore store, BulkRunner runner, TaskStore tasks, AgentDirectory agents, KeyStore keys,
        CancellationToken cancellationToken)
    {
        if (bulk.Fault() is { } fault)
        {
            return fault;
        }

        if (bulk.ConfirmToken is { } confirmed)
        {
            var hash = Hash(confirmed);
            if (key is null)
            {
                await using var connection = await store.OpenAsync(cancellationToken);
                if (await StartAsync(connection, hash, caller, store, cancellationToken) is not { } started)
                {
                    return Problems.BulkTokenRefused();
                }

                runner.Ring();
                return TypedResults.Accepted(Place + started.BulkId, started);
            }

            var run = await keys.OnceAsync(
                caller.Name, key, TaskId.New().Value, StatusCodes.Status202Accepted,
                async (connection, stop) => await StartAsync(connection, hash, caller, store, stop) is { } started
                    ? JsonSerializer.Serialize(started, TownhallJson.Default.BulkView)
                    : null,
                cancellationToken);
            runner.Ring();
            return run is KeyOutcome.Answered(var ran, var view, var replayed) ? KeyedAnswer.Made(ran, view, Place, "bulk_id", replayed)
                : run is KeyOutcome.Reused ? Problems.KeyReused()
                : Problems.BulkTokenRefused();
        }

        // Who is held to an agent and names none means that one.
        var (agent, noAgent) = await ResolveAsync(bulk.Filter?.Agent ?? caller.HeldTo()?.ToString(), caller, agents, cancellationToken);
        var (to, noTarget) = await ResolveAsync(bulk.To, caller, agents, cancellationToken);
        if ((noAgent ?? noTarget) is { } refusal)
        {
            return refusal;
        }

        var id = TaskId.New().Value;
        if (key is null)
        {
            await using var connection = await store.OpenAsync(cancellationToken);
            return await FreezeAsync(connection, id, bulk, agent, to, caller, store, tasks, cancellationToken) is { } draft
                ? TypedResults.Ok(draft)
                : Problems.BulkTooLarge(NewBulk.TasksMost);
        }

        var frozen = await keys.OnceAsync(
            caller.Name, key, id, StatusCodes.Status200OK,
            async (connection, stop) => await FreezeAsync(connection, id, bulk, agent, to, caller, store, tasks, stop) is { } draft
                ? JsonSerializer.Serialize(draft, TownhallJson.Default.BulkDraft)
                : null,
            cancellationToken);
        return frozen is KeyOutcome.Answered(var status, var response, var again) ? new KeyedAnswer(status, response, null, again)
            : frozen is KeyOutcome.Reused ? Problems.KeyReused()
            : Problems.BulkTooLarge(NewBulk.TasksMost);
    }

    internal static async Task<Results<Ok<BulkView>, Refusal>> GetBulk(string id, BulkStore store, CancellationToken cancellationToken) =>
        TaggedIds.TryRead(id, TaggedIds.Bulk, out var parsed) && await store.FindAsync(parsed, cancellationToken) is { } bulk
            ? TypedResults.Ok(bulk)
            : Problems.BulkNotFound(id);

    /// <returns>Null when the token is unknown, used or expired.</returns>
    private static async Task<BulkView?> StartAsync(
        NpgsqlConnection connection, byte[] tokenHash, Caller caller, BulkStore store, CancellationToken cancellationToken) =>
        await store.ConfirmAsync(connection, tokenHash, caller.Name, cancellationToken) is { } started
            ? await store.FindAsync(connection, started, cancellationToken)
            : null;

    /// <returns>Null when the filter finds more than a selection holds.</returns>
    private static async Task<BulkDraft?> FreezeAsync(
        NpgsqlConnection connection, Guid id, NewBulk bulk, Guid? agent, Guid? to, Caller caller, BulkStore store, TaskStore tasks,
        CancellationToken cancellationToken)
    {
        var token = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(TokenBytes));
        var (count, expiresAt, oldest) = await store.FreezeAsync(connection, id, bulk, agent, to, Hash(token), caller.Name, cancellationToken);
        return expiresAt is { } end
            ? new(id, count, await tasks.FindAsync(connection, oldest, cancellationToken), token, end)
            : null;
    }

    private static async Task<(Guid? Id, Refusal? Refusal)> ResolveAsync(
        string? reference, Caller caller, AgentDirectory agents, CancellationToken cancellationToken)
    {
        if (reference is null)
        {
            return (null, null);
        }

        var (id, refusal) = (await agents.OneAsync(reference, cancellationToken)).For(caller, reference);
        return refusal is null ? (id.Value, null) : (null, refusal);
    }

    private static byte[] Hash(string token) => SHA256.HashData(Encoding.UTF8.GetBytes(token));
}
