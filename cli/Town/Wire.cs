using Townhall.Cli.LedgerChain;
using Townhall.Ledger;

namespace Townhall.Cli.Town;

/// <summary>An agent, as <c>GET /v1/agents</c> says.</summary>
internal sealed record AgentRow(
    Guid Id, string Name, string? Nickname, string? RoleId, string Cli, string State, string Runtime, string TrustLevel,
    int MaxConcurrency, int Running, long TasksCompleted, long InboxLen, string? CurrentScope, DateTime CreatedAt, DateTime? LastActiveAt);

internal sealed record AgentPage(AgentRow[] Agents, string? NextCursor);

internal sealed record AgentList(IReadOnlyList<AgentRow> Agents, int Count);

internal sealed record TaskCounts(
    long Pending, long Assigned, long Running, long Waiting, long Completed, long Failed, long Cancelled, long Dead);

internal sealed record TownStatus(string Name, string Root, long AgentCount, AgentRow[] Agents, TaskCounts Tasks, int Workers);

internal sealed record WorkerCounts(int Active, int Draining);

internal sealed record ScalingReading(
    string Town, string Timestamp, long QueueDepth, long PendingTasks, long InFlightTasks, long ActiveAgents, long ColdAgents,
    long DesiredAgents, int MaxAgents, string ScalingRecommendation, int RecommendedWorkers, WorkerCounts Workers,
    long StartableTasks, double? OldestWaitingSecs, long AgeMs, string[] Reasons);

/// <summary>What an agent's commands may touch; what is null is left to the town.</summary>
internal sealed record Grant(string? Network = null, string[]? Read = null, string[]? Write = null, string? Workdir = null);

internal sealed record NewAgent(string Name, string Cli, int? MaxConcurrency, Grant? Grant);

internal sealed record SpawnedAgent(Guid AgentId, string Name, string Cli, string State);

internal sealed record NewAssignment(string Agent, string Task, string[]? Tags = null);

internal sealed record AssignedTask(Guid TaskId, Guid AgentId, string AgentName);

/// <summary>A task, as <c>GET /v1/tasks/{id}</c> says.</summary>
internal sealed record TaskRow(
    Guid TaskId, string Description, string State, Guid? AgentId, string? AgentName, int Attempt, int MaxAttempts, int Priority,
    string[] Tags, DateTime CreatedAt, DateTime? StartedAt, DateTime? CompletedAt, int? ExitCode, string? Result,
    string? ResultBlob, long ResultBytes, string? FailureCode, string? FailureDetail, string? Sandbox, double? WallMs,
    long OutputBytes, Guid? RetryOf, DateTime? NotBefore);

/// <summary>Why a task waits, as <c>GET /v1/tasks/{id}/explain</c> says.</summary>
internal sealed record ExplanationRow(Guid TaskId, string State, bool Waiting, DateTime Since, long Position, ReasonRow[] Reasons);

internal sealed record ReasonRow(
    string Code, string Detail, DateTime? Since = null, string? ChangesWhen = null, DateTime? At = null, Guid[]? Tasks = null);

/// <summary>An entry exactly as it was hashed: <c>detail</c> is the JSON text itself, hashes are hex.</summary>
internal sealed record EntryRow(
    long Seq, long Id, DateTime At, string Actor, string Action, Guid? AgentId, string? AgentName, Guid? TaskId, string Outcome,
    string Detail, string PrevHash, string Hash)
{
    public LedgerEntry ToEntry(string town) => new(
        town, Seq, Id, At.ToUniversalTime(), Actor, Action, AgentId, AgentName, TaskId, Outcome, Detail, Hexadecimal.Bytes(PrevHash), Hexadecimal.Bytes(Hash));
}

internal sealed record HeadRow(long Seq, string Hash);

internal sealed record LedgerPage(string Town, EntryRow[] Entries, HeadRow Head, long? NextAfter);

/// <summary>A signed checkpoint as the town shows it; <c>tt</c> checks its signature, never believes it.</summary>
internal sealed record CheckpointRow(long Id, string Town, long Seq, string Hash, DateTime At, string KeyId, string Signature);

internal sealed record CheckpointPage(CheckpointRow[] Checkpoints, long? NextAfter);

internal sealed record LedgerKeyRow(string KeyId, string PublicKey);

internal sealed record LedgerKeys(LedgerKeyRow[] Keys);

/// <summary>A refusal as the town words it (RFC 9457).</summary>
internal sealed record ProblemDocument(string? Code, string? Detail, string? Title);
