using System.Text.Json.Serialization;

namespace Townhall.Client;

/// <summary>Work for an agent; what is null is left to the town (docs/tasks.md has the bounds).</summary>
public sealed record NewAssignment(
    string Agent, string Task, string[]? Tags = null, int? Priority = null, int? MaxAttempts = null, double? TimeoutSecs = null,
    DateTimeOffset? NotBefore = null, DateTimeOffset? Deadline = null, double? TotalTimeoutSecs = null, string? ConcurrencyKey = null,
    string? RateKey = null);

public sealed record AssignedTask(Guid TaskId, Guid AgentId, string AgentName);

public sealed record NewBatch(IReadOnlyList<NewAssignment> Tasks);

/// <summary>What became of one assignment of a batch: a task, or an error.</summary>
public sealed record BatchRow(Guid? TaskId = null, Guid? AgentId = null, string? AgentName = null, BatchError? Error = null);

public sealed record BatchError(string Code, string Detail);

/// <summary>The rows in the order of the assignments.</summary>
public sealed record BatchAnswer(BatchRow[] Tasks, int Accepted, int Refused);

/// <summary>A task, as <c>GET /v1/tasks/{id}</c> says. What an ended task says never changes.</summary>
/// <param name="WaitingFor"><c>concurrency</c> or <c>rate</c> while its key has no permit left.</param>
public sealed record AgentTask(
    Guid TaskId, string Description, string State, Guid? AgentId, string? AgentName, int Attempt, int MaxAttempts, int Priority,
    string[] Tags, DateTime CreatedAt, DateTime? StartedAt, DateTime? CompletedAt, int? ExitCode, string? Result,
    string? ResultBlob, long ResultBytes, string? FailureCode, string? FailureDetail, string? Sandbox, double? WallMs,
    long OutputBytes, Guid? RetryOf, DateTime? NotBefore, DateTime? Deadline = null, string? ConcurrencyKey = null,
    string? RateKey = null, string? WaitingFor = null)
{
    /// <summary>True when it never changes again.</summary>
    [JsonIgnore]
    public bool HasEnded => State is "completed" or "failed" or "cancelled" or "dead";
}

/// <summary>A task in a list.</summary>
public sealed record TaskSummary(
    Guid TaskId, string Description, string? State = null, Guid? AgentId = null, string? AgentName = null, int Attempt = 0, int Priority = 0,
    string[]? Tags = null, DateTime? CreatedAt = null, DateTime? StartedAt = null, DateTime? CompletedAt = null, int? ExitCode = null,
    string? FailureCode = null, Guid? RetryOf = null);

public sealed record TaskPage(TaskSummary[] Tasks, int Count, string? NextCursor = null);

/// <summary>Which tasks to list; everything that is said must hold.</summary>
public sealed record TaskQuery
{
    /// <summary>Lower-case words; empty for all.</summary>
    public IReadOnlyList<string> States { get; init; } = [];

    public string? Agent { get; init; }

    public string? Tag { get; init; }

    public DateTimeOffset? CreatedAfter { get; init; }

    public DateTimeOffset? CreatedBefore { get; init; }

    public DateTimeOffset? EndedAfter { get; init; }

    public DateTimeOffset? EndedBefore { get; init; }

    /// <summary>Only retries of this task.</summary>
    public Guid? RetryOf { get; init; }

    /// <summary>By the moment of acceptance; newest first where it is false.</summary>
    public bool OldestFirst { get; init; }

    public int? Limit { get; init; }

    public string? Cursor { get; init; }
}

/// <summary>Why a task waits, as <c>GET /v1/tasks/{id}/explain</c> says.</summary>
/// <param name="Position">Due tasks of its agent that start before it.</param>
public sealed record Explanation(Guid TaskId, string State, bool Waiting, DateTime Since, long Position, ExplanationReason[] Reasons);

public sealed record ExplanationReason(
    string Code, string Detail, DateTime? Since = null, string? ChangesWhen = null, DateTime? At = null, Guid[]? Tasks = null);

public sealed record NotedSteering(long SteeringId, Guid TaskId, string State, int Attempt, DateTime CreatedAt);

public sealed record SteeringNote(
    long SteeringId, string Text, string CreatedBy, DateTime CreatedAt, DateTime? DeliveredAt = null, int? DeliveredAttempt = null);

public sealed record SteeringNotes(SteeringNote[] Steering, int Count = 0);

/// <summary>Tasks for which everything holds that is said.</summary>
public sealed record BulkFilter(
    string[]? State = null, string? Agent = null, string? Tag = null, DateTimeOffset? CreatedAfter = null,
    DateTimeOffset? CreatedBefore = null, string? FailureCode = null);

internal sealed record BulkRequest(
    string? Action = null, BulkFilter? Filter = null, string? To = null, bool? DryRun = null, string? ConfirmToken = null);

/// <summary>What a bulk would do. Nothing has changed; the token is good once, until it expires.</summary>
public sealed record BulkDraft(Guid BulkId, int Count, AgentTask[] Sample, string ConfirmToken, DateTime ExpiresAt);

/// <summary>How far a bulk is: done, skipped and failed rise to the total.</summary>
public sealed record BulkProgress(
    Guid BulkId, string Action, string State, int Total, int Done, int Skipped, int Failed, Dictionary<string, int> Reasons,
    DateTime CreatedAt, DateTime? StartedAt = null, DateTime? FinishedAt = null);
