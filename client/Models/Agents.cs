namespace Townhall.Client;

/// <summary>An agent, as <c>GET /v1/agents</c> says. <c>State</c> is PascalCase.</summary>
/// <param name="Running">Attempts that run now.</param>
/// <param name="InboxLen">Tasks and messages that wait for it.</param>
/// <param name="CurrentScope">What it works on, when that is one task.</param>
public sealed record TownAgent(
    Guid Id, string Name, string? Nickname, string? RoleId, string Cli, string State, string Runtime, string TrustLevel,
    int MaxConcurrency, int Running, long TasksCompleted, long InboxLen, string? CurrentScope, DateTime CreatedAt, DateTime? LastActiveAt,
    Guid? ParentAgentId = null, string? SpawnMode = null, long RoundsCompleted = 0, long UrgentLen = 0, int MaxAttempts = 1,
    double? TimeoutSecs = null, string Tenant = "default", int Weight = 1, bool Frozen = false,
    string? Phase = null);

/// <param name="NextCursor">What the next page is asked for with; null on the last.</param>
public sealed record AgentPage(TownAgent[] Agents, int Count, string? NextCursor = null);

/// <summary>What an agent's commands may touch; what is null is left to the town.</summary>
/// <param name="Network"><c>host</c> or <c>none</c>.</param>
/// <param name="Read">Absolute paths, as in the next two.</param>
public sealed record Grant(string? Network = null, string[]? Read = null, string[]? Write = null, string? Workdir = null);

/// <summary>What is said of a new agent; what is null is left to the town.</summary>
public sealed record NewAgent(
    string Name, string? Cli = null, string? RoleId = null, string? Nickname = null, Guid? ParentAgentId = null, int? MaxConcurrency = null,
    int? MaxAttempts = null, double? TimeoutSecs = null, Grant? Grant = null, string? Tenant = null, int? Weight = null);

public sealed record SpawnedAgent(
    Guid AgentId, string Name, string Cli, string? RoleId = null, string? Nickname = null, Guid? ParentAgentId = null, string? State = null);

/// <summary>Changes of an agent: what is not said stays.</summary>
public sealed record AgentChange
{
    public int? MaxConcurrency { get; init; }

    public int? MaxAttempts { get; init; }

    /// <summary>More than 0; 0 takes the timeout away.</summary>
    public double? TimeoutSecs { get; init; }

    public int? Weight { get; init; }

    public string? Tenant { get; init; }

    /// <summary>Empty takes the nickname away.</summary>
    public string? Nickname { get; init; }

    /// <summary>Which work of the backlog it gets from now on; empty takes the role away.</summary>
    public string? RoleId { get; init; }
}

/// <summary>What became of an agent.</summary>
/// <param name="Status"><c>paused</c>, <c>resumed</c>, <c>stopped</c>, <c>restarted</c> or <c>draining</c>.</param>
/// <param name="Running">Attempts that still run; after a kill they end within seconds.</param>
public sealed record ControlledAgent(string Status, string Agent, Guid? AgentId = null, bool Frozen = false, int Running = 0);

public sealed record PrunedAgents(int Removed, string[] Agents, bool More = false, bool DryRun = false);
