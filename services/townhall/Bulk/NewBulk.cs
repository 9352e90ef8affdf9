using System.ComponentModel.DataAnnotations;
using Townhall.Api.Tasks;
using Townhall.Api.Text;
using Townhall.Contracts.Tasks;
using Townhall.ServiceDefaults.Problems;

namespace Townhall.Api.Bulk;

/// <summary><c>POST /v1/tasks/bulk</c>: first a dry run that freezes a selection, then its token alone.</summary>
/// <param name="Action"><c>cancel</c>, <c>retry</c> or <c>reassign</c>.</param>
/// <param name="Filter">Which tasks; null: all that the action is meant for.</param>
/// <param name="To">The agent that gets reassigned tasks.</param>
internal sealed record NewBulk(
    [AllowedValues("cancel", "retry", "reassign")] string? Action = null, BulkFilter? Filter = null, [Plain(256)] string? To = null, bool DryRun = false, string? ConfirmToken = null)
{
    /// <summary>Tasks of one selection.</summary>
    public const int TasksMost = 100_000;

    /// <summary>What each action may be asked for, and is for when the filter names no state.</summary>
    private static readonly Dictionary<string, (string[] Legal, string[] Usual)> Actions = new(StringComparer.Ordinal)
    {
        ["cancel"] = (["pending", "assigned", "running", "waiting"], ["pending", "assigned", "running", "waiting"]),
        ["retry"] = (["failed", "cancelled", "dead"], ["failed", "dead"]),
        ["reassign"] = (["pending", "assigned"], ["assigned"]),
    };

    internal string[] States => Filter?.States ?? Actions[Action!].Usual;

    public Refusal? Fault()
    {
        if (ConfirmToken is not null)
        {
            return Action is null && Filter is null && To is null && !DryRun ? null
                : Problems.Invalid("confirm_token stands alone: what it confirms was frozen by the dry run.");
        }

        if (Action is null || !Actions.TryGetValue(Action, out var states))
        {
            return Problems.Invalid("action must be cancel, retry or reassign.");
        }

        var wrong = (DryRun ? null : "dry_run must be true: look first, then send the confirm_token it answers.")
            ?? ((To is not null) == (Action == "reassign") ? null : "to names the agent of a reassign, and of nothing else.")
            ?? (To is null ? null : PlainText.Fault("to", To, 256, lines: false))
            ?? (Filter?.States is { } asked && (asked.Length == 0 || asked.Except(states.Legal).Any())
                ? $"filter.state of {Action} holds at least one of {string.Join(", ", states.Legal)}." : null)
            ?? (Filter?.FailureCode is not null && Action != "retry" ? "filter.failure_code is for ended tasks: for a retry." : null)
            ?? Filter?.Fault();
        return wrong is null ? null : Problems.Invalid(wrong);
    }
}

/// <summary>Tasks for which everything holds that is said.</summary>
/// <param name="State"><c>in_flight</c> is another word for <c>running</c>.</param>
internal sealed record BulkFilter(
    [MinLength(1), AllowedValues("pending", "assigned", "running", "in_flight", "waiting", "failed", "cancelled", "dead")] string[]? State = null,
    [Plain(256)] string? Agent = null, [Plain(TaskLimits.TagLength)] string? Tag = null, DateTimeOffset? CreatedAfter = null,
    DateTimeOffset? CreatedBefore = null, [Plain(128)] string? FailureCode = null)
{
    internal string[]? States => State is null ? null : [.. State.Select(TaskStates.Known).Distinct(StringComparer.Ordinal)];

    public string? Fault() =>
        (Agent is null ? null : PlainText.Fault("filter.agent", Agent, 256, lines: false))
        ?? (Tag is null ? null : PlainText.Fault("filter.tag", Tag, TaskLimits.TagLength, lines: false))
        ?? (FailureCode is null ? null : PlainText.Fault("filter.failure_code", FailureCode, 128, lines: false))
        ?? NewAssignment.Instant("filter.created_after", CreatedAfter)
        ?? NewAssignment.Instant("filter.created_before", CreatedBefore);
}

/// <summary>What a dry run answers. Nothing has changed; the token is good once, until it expires.</summary>
/// <param name="Sample">The oldest of them, at most ten.</param>
internal sealed record BulkDraft(Guid BulkId, int Count, IReadOnlyList<TaskView> Sample, string ConfirmToken, DateTime ExpiresAt);

/// <summary>How far a selection is. <c>done + skipped + failed</c> rises to <c>total</c>.</summary>
/// <param name="State"><c>frozen</c>, <c>running</c> or <c>finished</c>.</param>
/// <param name="Reasons">Why items were skipped or failed, with how many.</param>
internal sealed record BulkView(
    Guid BulkId, [AllowedValues("cancel", "retry", "reassign")] string Action, [AllowedValues("frozen", "running", "finished")] string State, int Total, int Done, int Skipped, int Failed, Dictionary<string, int> Reasons,
    DateTime CreatedAt, DateTime? StartedAt, DateTime? FinishedAt);
