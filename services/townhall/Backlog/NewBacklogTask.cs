using System.ComponentModel.DataAnnotations;
using Townhall.Api.Tasks;
using Townhall.Api.Text;
using Townhall.Contracts.Tasks;
using Townhall.ServiceDefaults.Problems;

namespace Townhall.Api.Backlog;

/// <summary><c>POST /v1/backlog</c>: work that is nobody's yet.</summary>
/// <param name="Description">The work in words (or the script), at most 256 KiB of UTF-8.</param>
/// <param name="Tags">Up to 32; the first <c>role:…</c> among them says whose work it is (docs/backlog.md).</param>
/// <param name="Role">The same said shorter: stands before the tags as <c>role:…</c>.</param>
/// <param name="Priority">−100 to 100, higher first; default 0.</param>
/// <param name="MaxAttempts">1 to 100; default 1. An agent's own default does not count here.</param>
/// <param name="TimeoutSecs">Longest attempt; default that of the agent that takes it.</param>
/// <param name="NotBefore">Earliest start; default now.</param>
/// <param name="Deadline">When it must have ended; default never.</param>
internal sealed record NewBacklogTask(
    [Plain(TaskLimits.DescriptionBytes, Lines = true)] string? Description,
    [MaxLength(TaskLimits.Tags), Plain(TaskLimits.TagLength)] string[]? Tags = null, [Plain(TaskLimits.TagLength - 5)] string? Role = null,
    [Range(-100, 100)] int? Priority = null, [Range(1, 100)] int? MaxAttempts = null,
    [Range(0.0, 86_400.0, MinimumIsExclusive = true)] double? TimeoutSecs = null, DateTimeOffset? NotBefore = null, DateTimeOffset? Deadline = null)
{
    internal const string RoleTag = "role:";

    public Refusal? Fault()
    {
        var wrong = PlainText.Fault("description", Description, TaskLimits.DescriptionBytes, lines: true)
            ?? (Role is null ? null : PlainText.Fault("role", Role, TaskLimits.TagLength - RoleTag.Length, lines: false))
            ?? NewAssignment.TagFault(AllTags)
            ?? (Priority is < -100 or > 100 ? "priority must be -100 to 100." : null)
            ?? (MaxAttempts is < 1 or > 100 ? "max_attempts must be 1 to 100." : null)
            ?? (TimeoutSecs is <= 0 or > 86_400 ? "timeout_secs must be more than 0 and at most 86400." : null)
            ?? NewAssignment.Instant("not_before", NotBefore)
            ?? NewAssignment.Instant("deadline", Deadline);
        return wrong is null ? null : Problems.Invalid(wrong);
    }

    internal string[] AllTags => Role is null ? Tags ?? [] : [RoleTag + Role, .. Tags ?? []];
}

/// <summary>What adding to the backlog answers.</summary>
internal sealed record AddedTask(Guid TaskId, string Description);

/// <summary><c>POST /v1/backlog/{task_id}/claim</c> and <c>POST /v1/backlog/assign-all</c>.</summary>
/// <param name="Agent">Id, name, nickname, label or short id.</param>
internal sealed record NewClaim([Plain(256)] string? Agent);

/// <param name="Assigned">How many the agent got.</param>
/// <param name="Tasks">The first 1000 of them.</param>
/// <param name="More">There are more than one call gives: call again.</param>
internal sealed record AssignedAll(int Assigned, Guid[] Tasks, bool More);

internal sealed record RemovedTask(bool Removed, Guid TaskId);

/// <param name="Description">The first 4096 characters; <c>GET /v1/tasks/{task_id}</c> has all.</param>
/// <param name="Role">The role whose work it is; null for that of generalists.</param>
/// <param name="NotBefore">Until when nobody gets it by itself; null when now.</param>
internal sealed record BacklogRow(
    Guid TaskId, string Description, string[] Tags, string? Role, int Priority, DateTime CreatedAt, DateTime? NotBefore, DateTime? Deadline);

/// <param name="Count">Tasks on this page.</param>
/// <param name="Total">Tasks in the backlog.</param>
internal sealed record BacklogView(IReadOnlyList<BacklogRow> Backlog, int Count, long Total, string? NextCursor);
