using System.Text.Json;
using Townhall.Api.Text;
using Townhall.Contracts.Ids;
using Townhall.Contracts.Tasks;
using Townhall.ServiceDefaults.Problems;

namespace Townhall.Api.Tasks;

/// <summary><c>POST /v1/tasks/assign</c>.</summary>
/// <param name="Agent">Id, name, nickname, label or short id.</param>
/// <param name="Task">The work in words (or the script), at most 256 KiB of UTF-8.</param>
/// <param name="Priority">−100 to 100, higher first within the agent; default 0.</param>
/// <param name="NotBefore">Earliest start; default now.</param>
internal sealed record NewAssignment(
    string? Agent, string? Task, int? Priority = null, int? MaxAttempts = null, double? TimeoutSecs = null,
    DateTimeOffset? NotBefore = null, DateTimeOffset? Deadline = null, string? ConcurrencyKey = null, string[]? Tags = null)
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
            // Accepting what nobody keeps would be a lie.
            ?? (Deadline is null ? null : "deadline is not kept yet; leave it out.")
            ?? (ConcurrencyKey is null ? null : "concurrency_key is not kept yet; leave it out.")
            ?? TagFault();
        return wrong is null ? null : Problems.Invalid(wrong);
    }

    public AcceptedTask ToTask(TaskId id, AgentId agent, string actor) => new(
        id, agent, Task!, actor, (short)(Priority ?? 0), MaxAttempts, TimeoutSecs, NotBefore?.UtcDateTime, Deadline?.UtcDateTime,
        ConcurrencyKey, Tags is { Length: > 0 } ? JsonSerializer.Serialize(Tags, TagJson.Default.StringArray) : null);

    private static string? Instant(string field, DateTimeOffset? instant) =>
        instant < Earliest || instant > Latest ? $"{field} must lie between 2000 and 2200." : null;

    private string? TagFault() => Tags is { Length: > TaskLimits.Tags }
        ? $"tags has more than {TaskLimits.Tags} entries."
        : Tags?.Select(static tag => PlainText.Fault("tags", tag, TaskLimits.TagLength, lines: false)).FirstOrDefault(static fault => fault is not null);
}

/// <summary>One row for SQL function <c>accept_tasks</c>.</summary>
internal sealed record AcceptedTask(
    TaskId Id, AgentId Agent, string Description, string Actor, short Priority, int? MaxAttempts, double? TimeoutSecs,
    DateTime? NotBefore, DateTime? Deadline, string? ConcurrencyKey, string? TagsJson);

/// <summary>The answer of an assignment; <c>agent_name</c> repeats the reference given, as the contract says.</summary>
internal sealed record AssignedTask(Guid TaskId, Guid AgentId, string AgentName);

[System.Text.Json.Serialization.JsonSerializable(typeof(string[]))]
internal sealed partial class TagJson : System.Text.Json.Serialization.JsonSerializerContext;
