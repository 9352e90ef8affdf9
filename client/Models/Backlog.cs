namespace Townhall.Client;

/// <param name="Description">The beginning of it, where it is long.</param>
/// <param name="Role">Whose work it is; null when anybody's.</param>
public sealed record BacklogTask(
    Guid TaskId, string Description, string[] Tags, string? Role = null, int Priority = 0, DateTime? CreatedAt = null, DateTime? NotBefore = null,
    DateTime? Deadline = null);

public sealed record BacklogPage(BacklogTask[] Backlog, int Count, long Total = 0, string? NextCursor = null);

/// <summary>Work that is nobody's yet; what is null is left to the town.</summary>
public sealed record NewBacklogTask(
    string Description, string[]? Tags = null, string? Role = null, int? Priority = null, int? MaxAttempts = null, double? TimeoutSecs = null,
    DateTimeOffset? NotBefore = null, DateTimeOffset? Deadline = null);

public sealed record AddedTask(Guid TaskId, string Description);

public sealed record AssignedBacklog(int Assigned, Guid[] Tasks, bool More = false);

public sealed record RemovedTask(bool Removed, Guid TaskId);

internal sealed record AgentReference(string Agent);
