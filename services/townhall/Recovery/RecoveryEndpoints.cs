using System.ComponentModel.DataAnnotations;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;
using Townhall.Api.Agents;
using Townhall.Api.Text;
using Townhall.Contracts.Ids;
using Townhall.ServiceDefaults.Authentication;
using Townhall.ServiceDefaults.Problems;
using Townhall.ServiceDefaults.Redis;

namespace Townhall.Api.Recovery;

/// <summary>What is left behind by workers and agents that are gone. With <c>?dry_run=true</c> each only says what it would do.</summary>
internal static class RecoveryEndpoints
{
    /// <summary>Orphans named in one answer; counts go further.</summary>
    private const int NamedMost = 1000;

    public static void AddRecovery(this IHostApplicationBuilder builder) => builder.Services.AddSingleton<RecoveryStore>();

    public static void MapRecovery(this IEndpointRouteBuilder routes)
    {
        routes.MapPost("/v1/recover", Recover).RequireAuthorization(Scopes.AgentManage).WithTags("Recovery");
        routes.MapPost("/v1/reclaim", Reclaim).RequireAuthorization(Scopes.AgentManage).WithTags("Recovery");
        routes.MapPost("/v1/reclaim/orphan-tasks", ReclaimOrphans).RequireAuthorization(Scopes.AgentManage).WithTags("Recovery");
        routes.MapPost("/v1/agents/prune", Prune).RequireAuthorization(Scopes.AgentManage).WithTags("Recovery");
    }

    internal static async Task<Ok<RecoveredView>> Recover(
        Caller caller, RecoveryStore recovery, CancellationToken cancellationToken, [FromQuery(Name = "dry_run")] bool dryRun = false)
    {
        var agents = await recovery.RecoverAsync(dryRun, caller.Name, cancellationToken);
        string[] recovered = [.. agents.Where(static agent => agent.Ended > 0).Select(static agent => agent.Agent)];
        return TypedResults.Ok(new RecoveredView(agents.Count, recovered.Length, recovered, agents.Sum(static agent => agent.Ended), dryRun));
    }

    /// <summary>Moves what stopped agents have not started. Without a destination it only counts.</summary>
    internal static async Task<Results<Ok<ReclaimedView>, Refusal>> Reclaim(
        Caller caller, AgentDirectory directory, AgentStore agents, RecoveryStore recovery, Doorbell doorbell, CancellationToken cancellationToken,
        ReclaimRequest? request = null, [FromQuery(Name = "dry_run")] bool dryRun = false)
    {
        var (to, from) = (request?.To, request?.From);
        AgentId? source = null;
        if (from is not null)
        {
            var (id, refusal) = await directory.OneAsync(from, cancellationToken);
            if (refusal is not null)
            {
                return refusal;
            }

            if (await agents.FindAsync(id, cancellationToken) is not { } agent)
            {
                directory.Forget(from);
                return Problems.AgentNotFound(from);
            }

            if (agent.State is not ("Stopped" or "Error"))
            {
                return Problems.AgentNotEnded(agent.Name);
            }

            source = id;
        }

        // As in the contract, the backlog wins where both are named.
        AgentView? target = null;
        if (to is not null && request is not { ToBacklog: true })
        {
            var (id, refusal) = await directory.OneAsync(to, cancellationToken);
            if (refusal is not null)
            {
                return refusal;
            }

            target = await agents.FindAsync(id, cancellationToken);
            if (target is null)
            {
                directory.Forget(to);
                return Problems.AgentNotFound(to);
            }

            if (target.State is "Stopped" or "Error" or "Draining")
            {
                return Problems.AgentNotAccepting(to);
            }
        }

        // As in the contract, words go to an agent that is named also where the tasks go to the backlog.
        AgentId? reader = target is null ? null : new AgentId(target.Id);
        if (to is not null && reader is null)
        {
            var (id, refusal) = await directory.OneAsync(to, cancellationToken);
            if (refusal is not null)
            {
                return refusal;
            }

            reader = id;
        }

        var destination = target is not null ? $"Agent(\"{target.Name}\")" : request is { ToBacklog: true } ? "Backlog" : "Listed";
        if (dryRun || destination == "Listed")
        {
            var most = RecoveryStore.BatchMost * RecoveryStore.BatchesMost;
            var found = await recovery.OrphansAsync(source, waiting: false, most + 1, cancellationToken);
            var letters = await recovery.MessagesAsync(source, reader, dry: true, caller.Name, cancellationToken);
            return TypedResults.Ok(Answer(found, Math.Min(found.Count, most), letters, destination, found.Count > most, changed: false));
        }

        var (moved, more) = await recovery.ReclaimAsync(source, target is null ? null : new AgentId(target.Id), caller.Name, cancellationToken);
        if (target is not null && moved.Count > 0)
        {
            doorbell.Ring(Doorbell.Work, new AgentId(target.Id).ToString());
        }

        // Without an agent that would read them they stay where they are.
        var words = reader is null ? 0 : await recovery.MessagesAsync(source, reader, dry: false, caller.Name, cancellationToken);
        return TypedResults.Ok(Answer(moved, moved.Count, words, destination, more, changed: true));
    }

    /// <summary>Lists, moves to the backlog or withdraws tasks whose agent has ended or is gone. <c>delete</c> withdraws, too: nothing that was accepted vanishes.</summary>
    internal static async Task<Results<Ok<OrphansView>, Refusal>> ReclaimOrphans(
        Caller caller, RecoveryStore recovery, CancellationToken cancellationToken, OrphansRequest? request = null, [FromQuery(Name = "dry_run")] bool dryRun = false)
    {
        var action = request?.Action ?? "list";
        if (action is not ("list" or "to_backlog" or "backlog" or "cancel" or "delete"))
        {
            return Problems.BadQuery("action must be list, to_backlog, backlog, cancel or delete.");
        }

        var withdraws = action is "cancel" or "delete";
        if (dryRun || action == "list")
        {
            var most = RecoveryStore.BatchMost * RecoveryStore.BatchesMost;
            var found = await recovery.OrphansAsync(null, waiting: withdraws || action == "list", most + 1, cancellationToken);
            return TypedResults.Ok(new OrphansView(action, Math.Min(found.Count, most), [.. found.Take(NamedMost)], found.Count > most, dryRun));
        }

        var (done, more) = withdraws
            ? await recovery.CancelAsync(caller.Name, cancellationToken)
            : await recovery.ReclaimAsync(null, null, caller.Name, cancellationToken);
        return TypedResults.Ok(new OrphansView(action, done.Count, [.. done.Take(NamedMost)], more, false));
    }

    /// <summary>Removes agents that have ended, with <c>all</c> also cold ones; never one with a live task or a running attempt.</summary>
    internal static async Task<Results<Ok<PrunedView>, Refusal>> Prune(
        Caller caller, AgentDirectory directory, RecoveryStore recovery, CancellationToken cancellationToken, PruneRequest? request = null, [FromQuery(Name = "dry_run")] bool dryRun = false)
    {
        if (caller.Agent is not null && !dryRun)
        {
            return Problems.BoundToAgent("it prunes no agents, because its own could be one of them");
        }

        var gone = await recovery.PruneAsync(request?.All ?? false, dryRun, caller.Name, cancellationToken);
        if (!dryRun)
        {
            foreach (var (id, name) in gone)
            {
                directory.Forget(id.ToString());
                directory.Forget(name);
            }
        }

        return TypedResults.Ok(new PrunedView(gone.Count, [.. gone.Select(static agent => agent.Name)], gone.Count == RecoveryStore.BatchMost, dryRun));
    }

    private static ReclaimedView Answer(IReadOnlyList<OrphanView> tasks, int count, int messages, string destination, bool more, bool changed) =>
        new(count, destination, [.. tasks.Take(NamedMost)], messages, more, !changed);
}

/// <param name="Checked">Agents with running work.</param>
/// <param name="Recovered">How many of them had leases of workers that are gone.</param>
/// <param name="Leases">Those leases; the reaper offers their tasks again within its period.</param>
internal sealed record RecoveredView(int Checked, int Recovered, string[] Agents, int Leases, bool DryRun);

/// <summary><c>POST /v1/reclaim</c>; without a destination nothing changes.</summary>
/// <param name="To">The agent that gets the tasks.</param>
/// <param name="From">Only of this agent, which must have ended; left out: of all that have.</param>
internal sealed record ReclaimRequest(bool ToBacklog = false, [Plain(256)] string? To = null, [Plain(256)] string? From = null);

/// <param name="Destination"><c>Backlog</c>, <c>Listed</c> (nothing changed) or <c>Agent("name")</c>.</param>
/// <param name="Tasks">The first 1000 of them.</param>
/// <param name="Messages">Messages nobody acted on that were, or without a destination would be, moved; only to an agent.</param>
/// <param name="More">There are more than one call moves: call again.</param>
internal sealed record ReclaimedView(int Reclaimed, string Destination, OrphanView[] Tasks, int Messages, bool More, bool DryRun);

internal sealed record OrphansRequest([AllowedValues("list", "to_backlog", "backlog", "cancel", "delete")] string? Action = null);

/// <param name="Orphans">The first 1000 of them, as they were found.</param>
internal sealed record OrphansView(string Action, int Count, OrphanView[] Orphans, bool More, bool DryRun);

/// <param name="Reason"><c>agent_terminal</c> or <c>agent_missing</c>.</param>
internal sealed record OrphanView(
    Guid TaskId, Guid AssignedTo, string? AgentName, string State, [AllowedValues("agent_terminal", "agent_missing")] string Reason);

internal sealed record PruneRequest(bool All = false);

internal sealed record PrunedView(int Removed, string[] Agents, bool More, bool DryRun);
