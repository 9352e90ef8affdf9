using System.Diagnostics;
using Microsoft.AspNetCore.Http.HttpResults;
using Townhall.Api.Caching;
using Townhall.Contracts.Agents;
using Townhall.ServiceDefaults.Authentication;
using Townhall.ServiceDefaults.Problems;
using Townhall.ServiceDefaults.Redis;

namespace Townhall.Api.Agents;

/// <summary>What people decide about an agent: noted at once, also while no worker exists, and applied by whoever runs or offers its work.</summary>
internal static class ControlEndpoints
{
    public static void MapAgentControl(this IEndpointRouteBuilder routes)
    {
        var agents = routes.MapGroup("/v1/agents/{agent}").WithTags("Agents");
        agents.MapGet("", GetAgent).RequireAuthorization(Scopes.TownRead).WithEntityTag();
        agents.MapPatch("", ChangeAgent).RequireAuthorization(Scopes.AgentManage);
        agents.MapPost("/pause", Pause).RequireAuthorization(Scopes.AgentManage);
        agents.MapPost("/interrupt", Pause).RequireAuthorization(Scopes.AgentManage);
        agents.MapPost("/resume", Resume).RequireAuthorization(Scopes.AgentManage);
        agents.MapPost("/kill", Kill).RequireAuthorization(Scopes.AgentManage);
        agents.MapPost("/restart", Restart).RequireAuthorization(Scopes.AgentManage);
        agents.MapPost("/close", Close).RequireAuthorization(Scopes.AgentManage);
    }

    internal static async Task<Results<Ok<AgentView>, Refusal>> GetAgent(
        string agent, AgentDirectory directory, AgentStore agents, CancellationToken cancellationToken)
    {
        if (AgentDirectory.IsSupervisor(agent))
        {
            return TypedResults.Ok(await agents.SupervisorAsync(cancellationToken));
        }

        var (id, refusal) = await directory.OneAsync(agent, cancellationToken);
        return refusal is not null ? refusal
            : await agents.FindAsync(id, cancellationToken) is { } view ? TypedResults.Ok(view)
            : Gone(agent, directory);
    }

    internal static async Task<Results<Ok<AgentView>, Refusal>> ChangeAgent(
        string agent, AgentChange change, Caller caller, AgentDirectory directory, AgentStore agents, ControlStore control, Doorbell doorbell,
        CancellationToken cancellationToken)
    {
        if (change.Fault() is { } fault)
        {
            return fault;
        }

        var (id, refusal) = await directory.OneAsync(agent, cancellationToken);
        if (refusal is not null)
        {
            return refusal;
        }

        if (caller.Agent == id)
        {
            return Problems.BoundToAgent("it never changes its own agent");
        }

        if (change.NewNickname is { } nickname && await agents.IsNameOfAnotherAsync(nickname, id, cancellationToken))
        {
            return Problems.NameTaken(nickname);
        }

        await control.ChangeAsync(id, change, caller.Name, cancellationToken);
        // A higher limit may let something start, another role may let it take from the backlog.
        doorbell.Ring(Doorbell.Work, id.ToString());
        doorbell.Ring(Doorbell.Work, Doorbell.Backlog);
        return await agents.FindAsync(id, cancellationToken) is { } view ? TypedResults.Ok(view) : Gone(agent, directory);
    }

    /// <summary>Nothing more starts. What runs goes on, or stands still with <c>freeze</c>; its timeouts count on.</summary>
    internal static Task<Results<Ok<ControlledAgent>, Refusal>> Pause(
        string agent, Caller caller, AgentDirectory directory, ControlStore control, Doorbell doorbell, CancellationToken cancellationToken,
        PauseRequest? request = null) =>
        MoveAsync(agent, AgentEvent.Pause, request?.Freeze, caller, directory, control, doorbell, cancellationToken);

    internal static Task<Results<Ok<ControlledAgent>, Refusal>> Resume(
        string agent, Caller caller, AgentDirectory directory, ControlStore control, Doorbell doorbell, CancellationToken cancellationToken) =>
        MoveAsync(agent, AgentEvent.Resume, null, caller, directory, control, doorbell, cancellationToken);

    /// <summary>What runs is ended without grace and given back; its tasks stay the agent's own until they are reclaimed or it is restarted.</summary>
    internal static Task<Results<Ok<ControlledAgent>, Refusal>> Kill(
        string agent, Caller caller, AgentDirectory directory, ControlStore control, Doorbell doorbell, CancellationToken cancellationToken) =>
        MoveAsync(agent, AgentEvent.Kill, null, caller, directory, control, doorbell, cancellationToken);

    internal static Task<Results<Ok<ControlledAgent>, Refusal>> Restart(
        string agent, Caller caller, AgentDirectory directory, ControlStore control, Doorbell doorbell, CancellationToken cancellationToken) =>
        MoveAsync(agent, AgentEvent.Restart, null, caller, directory, control, doorbell, cancellationToken);

    /// <summary>Nothing new is taken or started; when what runs has ended the agent is stopped.</summary>
    internal static Task<Results<Ok<ControlledAgent>, Refusal>> Close(
        string agent, Caller caller, AgentDirectory directory, ControlStore control, Doorbell doorbell, CancellationToken cancellationToken) =>
        MoveAsync(agent, AgentEvent.Close, null, caller, directory, control, doorbell, cancellationToken);

    private static async Task<Results<Ok<ControlledAgent>, Refusal>> MoveAsync(
        string reference, AgentEvent on, bool? freeze, Caller caller, AgentDirectory directory, ControlStore control, Doorbell doorbell,
        CancellationToken cancellationToken)
    {
        var (id, refusal) = await directory.OneAsync(reference, cancellationToken);
        if (refusal is not null)
        {
            return refusal;
        }

        if (await control.MoveAsync(id, on, freeze, caller.Name, cancellationToken) is not { } moved)
        {
            return Gone(reference, directory);
        }

        if (!moved.Legal)
        {
            return Problems.AgentMoveRefused(moved.Name, Word(on), moved.Control);
        }

        if (moved.Ceiling is { } most)
        {
            return Problems.TooManyAgents(most);
        }

        // Also when nothing changed: who asks again may do so because the first ring was lost.
        doorbell.Ring(Doorbell.Control, id.ToString());
        if (on is AgentEvent.Resume or AgentEvent.Restart)
        {
            doorbell.Ring(Doorbell.Work, id.ToString());
            doorbell.Ring(Doorbell.Work, Doorbell.Backlog);
        }

        return TypedResults.Ok(new ControlledAgent(Status(on, moved.Control), moved.Name, id.Value, moved.Frozen, moved.Running));
    }

    private static Refusal Gone(string reference, AgentDirectory directory)
    {
        directory.Forget(reference);
        return Problems.AgentNotFound(reference);
    }

    private static string Status(AgentEvent on, string control) => on switch
    {
        AgentEvent.Resume => "resumed",
        AgentEvent.Restart => "restarted",
        _ => control,
    };

    internal static string Word(AgentEvent on) => on switch
    {
        AgentEvent.Pause => "pause",
        AgentEvent.Resume => "resume",
        AgentEvent.Kill => "kill",
        AgentEvent.Restart => "restart",
        AgentEvent.Close => "close",
        _ => throw new UnreachableException(),
    };
}
