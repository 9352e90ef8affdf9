using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using Townhall.Api.Idempotency;
using Townhall.Api.Text;
using Townhall.Contracts.Ids;
using Townhall.Contracts.Tasks;
using Townhall.Contracts.Traces;
using Townhall.ServiceDefaults.Problems;

namespace Townhall.Api.Tasks;

/// <summary><c>POST /v1/tasks/assign</c>.</summary>
/// <param name="Agent">Id, name, nickname, label or short id.</param>
/// <param name="Task">The work in words (or the script), at most 256 KiB of UTF-8.</param>
/// <param name="Priority">−100 to 100, higher first within the agent; default 0.</param>
/// <param name="NotBefore">Earliest start; default now.</param>
/// <param name="Deadline">When it must have ended; default never.</param>
/// <param name="TotalTimeoutSecs">The same counted from acceptance, at most 30 days; with both, the earlier counts.</param>
/// <param name="ConcurrencyKey">Tasks with the same key share its permits; a key nobody configured has one.</param>
/// <param name="RateKey">Tasks with the same key share its rate; a key nobody configured has no limit.</param>
internal sealed record NewAssignment(
    [Plain(256)] string? Agent, [Plain(TaskLimits.DescriptionBytes, Lines = true)] string? Task, [Range(-100, 100)] int? Priority = null,
    [Range(1, 100)] int? MaxAttempts = null, [Range(0.0, 86_400.0, MinimumIsExclusive = true)] double? TimeoutSecs = null,
    DateTimeOffset? NotBefore = null, DateTimeOffset? Deadline = null,
    [Range(0.0, TaskLimits.TotalTimeoutSecs, MinimumIsExclusive = true)] double? TotalTimeoutSecs = null,
    [Plain(4 * TaskLimits.KeyLength, Characters = TaskLimits.KeyLength)] string? ConcurrencyKey = null,
    [Plain(4 * TaskLimits.KeyLength, Characters = TaskLimits.KeyLength)] string? RateKey = null,
    [MaxLength(TaskLimits.Tags), Plain(TaskLimits.TagLength)] string[]? Tags = null)
{
    // What timestamptz and our month arithmetic hold without surprises.
    private static readonly DateTimeOffset Earliest = new(2000, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly DateTimeOffset Latest = new(2200, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public Refusal? Fault()
    {
        var wrong = PlainText.Fault("agent", Agent, 256, lines: false)
            ?? PlainText.Fault("task", Task, TaskLimits.DescriptionBytes, lines: true)
            ?? (Priority is < -100 or > 100 ? "priority must be -100 to 100." : null)
            ?? (MaxAttempts is < 1 or > 100 ? "max_attempts must be 1 to 100." : null)
            ?? (TimeoutSecs is <= 0 or > 86_400 ? "timeout_secs must be more than 0 and at most 86400." : null)
            ?? Instant("not_before", NotBefore)
            ?? Instant("deadline", Deadline)
            ?? (TotalTimeoutSecs is <= 0 or > TaskLimits.TotalTimeoutSecs
                ? $"total_timeout_secs must be more than 0 and at most {TaskLimits.TotalTimeoutSecs}." : null)
            ?? LimitKey("concurrency_key", ConcurrencyKey)
            ?? LimitKey("rate_key", RateKey)
            ?? TagFault(Tags);
        return wrong is null ? null : Problems.Invalid(wrong);
    }

    public AcceptedTask ToTask(TaskId id, AgentId agent, string actor, IdempotencyKey? key = null, string? response = null) => new(
        id, agent, Task!, actor, (short)(Priority ?? 0), MaxAttempts, TimeoutSecs, NotBefore?.UtcDateTime, Deadline?.UtcDateTime,
        TotalTimeoutSecs, ConcurrencyKey, RateKey,
        Tags is { Length: > 0 } ? JsonSerializer.Serialize(Tags, TagJson.Default.StringArray) : null, key, response,
        TaskTraces.Call);

    internal static string? Instant(string field, DateTimeOffset? instant) =>
        instant < Earliest || instant > Latest ? $"{field} must lie between 2000 and 2200." : null;

    private static string? LimitKey(string field, string? key) =>
        key is null ? null
        : PlainText.Fault(field, key, 4 * TaskLimits.KeyLength, lines: false)
        ?? (key.Length > TaskLimits.KeyLength ? $"{field} is longer than {TaskLimits.KeyLength} characters." : null)
        ?? (key == TaskLimits.TownKey ? $"{field} must not be {TaskLimits.TownKey}: that key is all tasks together." : null);

    internal static string? TagFault(string[]? tags) => tags is { Length: > TaskLimits.Tags }
        ? $"tags has more than {TaskLimits.Tags} entries."
        : tags?.Select(static tag => PlainText.Fault("tags", tag, TaskLimits.TagLength, lines: false)).FirstOrDefault(static fault => fault is not null);
}

/// <summary>One row for SQL function <c>accept_tasks</c>.</summary>
/// <param name="Response">What is kept under <paramref name="Key"/>; null without one.</param>
/// <param name="Traceparent">The call's trace, kept with the task; null when it is not collected.</param>
internal sealed record AcceptedTask(
    TaskId Id, AgentId Agent, string Description, string Actor, short Priority, int? MaxAttempts, double? TimeoutSecs,
    DateTime? NotBefore, DateTime? Deadline, double? TotalTimeoutSecs, string? ConcurrencyKey, string? RateKey, string? TagsJson,
    IdempotencyKey? Key = null, string? Response = null, string? Traceparent = null);

/// <summary>The answer of an assignment; <c>agent_name</c> repeats the reference given, as the contract says.</summary>
internal sealed record AssignedTask(Guid TaskId, Guid AgentId, string AgentName);

/// <summary><c>POST /v1/tasks/{id}/retry</c>; the body may be left out.</summary>
/// <param name="Force">Also what completed, and what was retried already.</param>
internal sealed record RetryRequest(bool Force = false);

[System.Text.Json.Serialization.JsonSerializable(typeof(string[]))]
internal sealed partial class TagJson : System.Text.Json.Serialization.JsonSerializerContext;
