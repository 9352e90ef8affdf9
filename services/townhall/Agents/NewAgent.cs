using System.ComponentModel.DataAnnotations;
using System.Text.RegularExpressions;
using Townhall.Api.Text;
using Townhall.Contracts.Workers;
using Townhall.ServiceDefaults.Problems;

namespace Townhall.Api.Agents;

/// <summary><c>POST /v1/agents</c>: what a caller says of a new agent. Only the name must be said.</summary>
/// <param name="Cli">A preset (docs/runtimes.md), <c>noop</c>, or a command line; default: setting <c>TOWN_DEFAULT_CLI</c>.</param>
/// <param name="MaxConcurrency">Tasks at once, 1 to 1024; default 1.</param>
/// <param name="MaxAttempts">Attempts of a failing task, 1 to 100; default 1, because coding agents have side effects.</param>
/// <param name="TimeoutSecs">Longest attempt; default none.</param>
/// <param name="Tenant">Whose turns its turns are, at most 128 bytes; default <c>default</c>.</param>
/// <param name="Weight">Its share of turns among its tenant's agents, 1 to 100; default 1.</param>
/// <param name="Grant">What its commands may touch; default: the network, and the town's root to read.</param>
internal sealed record NewAgent(
    [RegularExpression(AgentNames.Pattern)] string? Name, [Plain(4096)] string? Cli = null, [Plain(128)] string? RoleId = null,
    [Plain(128)] string? Nickname = null, Guid? ParentAgentId = null, [Range(1, 1024)] int? MaxConcurrency = null,
    [Range(1, 100)] int? MaxAttempts = null, [Range(0.0, 86_400.0, MinimumIsExclusive = true)] double? TimeoutSecs = null,
    NewGrant? Grant = null, [Plain(128)] string? Tenant = null, [Range(1, 100)] int? Weight = null)
{
    public Refusal? Fault() =>
        NameFault(Name)
        ?? Text("cli", Cli, 4096)
        ?? Text("role_id", RoleId, 128)
        ?? NicknameFault(Nickname)
        ?? AgentBounds.Fault(MaxConcurrency, MaxAttempts, TimeoutSecs, Weight, Tenant)
        ?? Grant?.Fault();

    public AgentGrant GrantOf(string root) => new(
        Grant?.Network ?? "host", Grant?.Read ?? [root], Grant?.Write ?? [], Grant?.Workdir);

    /// <summary>What is wrong with a nickname: it must not mean the supervisor, nor be another agent's id.</summary>
    internal static Refusal? NicknameFault(string? nickname) =>
        nickname is null ? null
        : Text("nickname", nickname, 128)
        ?? (AgentDirectory.IsSupervisor(nickname) ? Problems.NameReserved(nickname) : null)
        ?? (Guid.TryParse(TaggedIds.Bare(nickname, TaggedIds.Agent), out _) ? Problems.Invalid("nickname must not be a UUID.") : null);

    private static Refusal? NameFault(string? name)
    {
        if (PlainText.Fault("name", name, 256, lines: false) is { } fault)
        {
            return Problems.Invalid(fault);
        }

        if (AgentDirectory.IsSupervisor(name!))
        {
            return Problems.NameReserved(name!);
        }

        // A name that is a UUID could mean another agent's id.
        return Guid.TryParse(name, out _) || !AgentNames.Legal().IsMatch(name!)
            ? Problems.Invalid("name must be 1 to 64 letters, digits, spaces or . _ - and start with a letter or digit, and not be a UUID.")
            : null;
    }

    private static Refusal? Text(string field, string? text, int bytesMost) =>
        text is not null && PlainText.Fault(field, text, bytesMost, lines: false) is { } fault ? Problems.Invalid(fault) : null;
}

/// <summary>What an agent's commands may touch beside their own work folder.</summary>
internal sealed record NewGrant(
    [AllowedValues("host", "none")] string? Network = null, [MaxLength(NewGrant.PathsMost), AbsolutePath] string[]? Read = null,
    [MaxLength(NewGrant.PathsMost), AbsolutePath] string[]? Write = null, [AbsolutePath] string? Workdir = null)
{
    private const int PathsMost = 32;

    public Refusal? Fault() =>
        Network is not (null or "host" or "none") ? Problems.Invalid("grant.network must be host or none.")
        : Paths("grant.read", Read) ?? Paths("grant.write", Write) ?? Paths("grant.workdir", Workdir is null ? null : [Workdir]);

    private static Refusal? Paths(string field, string[]? paths)
    {
        if (paths is { Length: > PathsMost })
        {
            return Problems.Invalid($"{field} has more than {PathsMost} paths.");
        }

        return paths?.Select(path =>
            PlainText.Fault(field, path, 4096, lines: false)
            ?? (!Path.IsPathFullyQualified(path) || path != Path.GetFullPath(path) ? $"{field} must hold absolute paths without . or .. parts." : null))
            .FirstOrDefault(static fault => fault is not null) is { } wrong ? Problems.Invalid(wrong) : null;
    }
}

internal static partial class AgentNames
{
    public const string Pattern = @"^[\p{L}\p{N}][\p{L}\p{N} ._-]{0,63}$";

    [GeneratedRegex(Pattern)]
    public static partial Regex Legal();
}

/// <summary>What a spawn answers.</summary>
internal sealed record SpawnedAgent(Guid AgentId, string Name, string Cli, string? RoleId, string? Nickname, Guid? ParentAgentId, string State);

/// <summary>An agent as people see it. <c>state</c> is PascalCase here, as the contract says.</summary>
/// <param name="Frozen">Paused, and what it runs stands still.</param>
/// <param name="Phase">Where it is in its life, beside what it does: docs/control.md.</param>
internal sealed record AgentView(
    Guid Id, string Name, string? Nickname, string? RoleId, Guid? ParentAgentId,
    [AllowedValues("fresh", "forkedcontext", "resumed")] string SpawnMode, string Cli,
    [AllowedValues("Cold", "Starting", "Idle", "Working", "Paused", "Draining", "Stopped", "Error")] string State,
    string Runtime, [AllowedValues("untrusted", "sandboxed", "trusted", "privileged")] string TrustLevel, int MaxConcurrency, int Running, long RoundsCompleted, long TasksCompleted,
    long InboxLen, long UrgentLen, string? CurrentScope, DateTime CreatedAt, DateTime? LastActiveAt,
    int MaxAttempts, double? TimeoutSecs, string Tenant, int Weight, bool Frozen,
    [AllowedValues("Init", "Plan", "Act", "Observe", "Terminate")] string Phase);

internal sealed record AgentListView(IReadOnlyList<AgentView> Agents, int Count, string? NextCursor);
