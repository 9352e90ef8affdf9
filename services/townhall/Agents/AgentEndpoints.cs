using System.ComponentModel.DataAnnotations;
using System.Diagnostics;
using System.Text.Json;
using Microsoft.AspNetCore.Http.HttpResults;
using Townhall.Api.Caching;
using Townhall.Api.Idempotency;
using Townhall.Contracts.Ids;
using Townhall.ServiceDefaults.Authentication;
using Townhall.ServiceDefaults.Problems;
using Townhall.ServiceDefaults.Redis;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Api.Agents;

internal static class AgentEndpoints
{
    /// <summary>Names this list for its cursors.</summary>
    internal const string List = "agents";

    private const int PageMost = 1000;

    public static void AddAgents(this IHostApplicationBuilder builder) =>
        builder.Services.AddSingleton(static services => new AgentTally(
                services.GetRequiredService<AgentStore>().CountAsync, services.GetRequiredService<TimeProvider>()))
            .AddSingleton<AgentCeiling>().AddSingleton<AgentStore>().AddSingleton<ControlStore>().AddSingleton<AgentDirectory>();

    public static void MapAgents(this IEndpointRouteBuilder routes)
    {
        var agents = routes.MapGroup("/v1/agents").WithTags("Agents");
        agents.MapPost("", SpawnAgent).RequireAuthorization(Scopes.AgentManage).TakesIdempotencyKey();
        agents.MapGet("", ListAgents).RequireAuthorization(Scopes.TownRead).WithEntityTag();
    }

    internal static async Task<Results<Created<SpawnedAgent>, KeyedAnswer, Refusal>> SpawnAgent(
        NewAgent agent, IdempotencyKey? key, Caller caller, AgentStore agents, KeyStore keys, TownSettings town, Doorbell doorbell,
        CancellationToken cancellationToken)
    {
        if (agent.Fault() is { } fault)
        {
            return fault;
        }

        if (agent.ParentAgentId is { } parent && parent != AgentId.Supervisor.Value && !await agents.ExistsAsync(new(parent), cancellationToken))
        {
            return Problems.AgentNotFound(parent.ToString());
        }

        // Sent soon, heard after the commit or looked for within a second: a new agent may take from the backlog.
        doorbell.Ring(Doorbell.Work, Doorbell.Backlog);

        var id = AgentId.New();
        var cli = agent.Cli ?? town.DefaultCli;
        var made = new SpawnedAgent(id.Value, agent.Name!, cli, agent.RoleId, agent.Nickname, agent.ParentAgentId, "Starting");
        if (key is null)
        {
            var spawned = await agents.SpawnAsync(id, agent, cli, caller.Name, cancellationToken);
            return spawned == SpawnOutcome.Spawned ? TypedResults.Created($"/v1/agents/{id}", made) : Refused(spawned);
        }

        var refused = SpawnOutcome.NameTaken;
        var outcome = await keys.OnceAsync(
            caller.Name, key, id.Value, StatusCodes.Status201Created,
            async (connection, stop) => (refused = await agents.SpawnAsync(connection, id, agent, cli, caller.Name, stop)) == SpawnOutcome.Spawned
                ? JsonSerializer.Serialize(made, TownhallJson.Default.SpawnedAgent)
                : null,
            cancellationToken);
        return outcome switch
        {
            KeyOutcome.Answered(var status, var response, var replayed) =>
                KeyedAnswer.Made(status, response, "/v1/agents/", "agent_id", replayed),
            KeyOutcome.Reused => Problems.KeyReused(),
            KeyOutcome.NothingMade => Refused(refused),
            _ => throw new UnreachableException(),
        };

        Refusal Refused(SpawnOutcome why) => why == SpawnOutcome.TooMany ? Problems.TooManyAgents(town.MaxAgents) : Problems.NameTaken(agent.Name!);
    }

    internal static async Task<Results<Ok<AgentListView>, Refusal>> ListAgents(
        AgentStore agents, CancellationToken cancellationToken, [Range(1, PageMost)] int limit = PageMost, string? cursor = null)
    {
        if (limit is < 1 or > PageMost)
        {
            return Problems.BadQuery($"limit must be 1 to {PageMost}.");
        }

        if (!Cursors.TryRead(List, cursor, out var after))
        {
            return Problems.BadCursor();
        }

        var page = await agents.ListAsync(after?.Last ?? Guid.Empty, limit + 1, cancellationToken);
        var shown = page.Count > limit ? [.. page.Take(limit)] : page;
        return TypedResults.Ok(new AgentListView(shown, shown.Count, page.Count > limit ? Cursors.Write(List, shown[^1].Id) : null));
    }
}
