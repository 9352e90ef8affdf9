using System.Globalization;
using Townhall.Api.Agents;
using Townhall.Api.Text;
using Townhall.Contracts.Tasks;
using Townhall.ServiceDefaults.Problems;

namespace Townhall.Api.Tasks;

/// <summary>Which tasks a list shows: everything that is said must hold.</summary>
/// <param name="States">Null: all of them.</param>
/// <param name="NewestFirst">By the moment of acceptance.</param>
internal sealed record TaskQuery(
    string[]? States, Guid? Agent, string? Tag, DateTime? CreatedAfter, DateTime? CreatedBefore, DateTime? EndedAfter, DateTime? EndedBefore,
    Guid? RetryOf, bool NewestFirst)
{
    private static readonly string[] AllStates = ["pending", "assigned", "running", "waiting", "completed", "failed", "cancelled", "dead"];

    /// <summary>Names this list among all others, for its cursors.</summary>
    public string Name => string.Create(
        CultureInfo.InvariantCulture,
        $"tasks:{string.Join(',', States ?? [])}:{Agent}:{Tag}:{CreatedAfter:O}:{CreatedBefore:O}:{EndedAfter:O}:{EndedBefore:O}:{RetryOf}:{NewestFirst}");

    /// <summary>Reads the query of <c>GET /v1/tasks</c>. What is said twice or is not known is refused, so that a misspelled filter never shows everything.</summary>
    public static async ValueTask<(TaskQuery? Query, Refusal? Refusal)> ReadAsync(
        IQueryCollection said, AgentDirectory agents, CancellationToken cancellationToken)
    {
        foreach (var (name, values) in said)
        {
            if (name is not ("state" or "agent" or "tag" or "created_after" or "created_before" or "ended_after" or "ended_before" or "retry_of"
                or "order" or "limit" or "cursor"))
            {
                return (null, Problems.BadQuery($"There is no filter {CommonRefusals.Printable(name)}."));
            }

            if (values is not [{ Length: > 0 }])
            {
                return (null, Problems.BadQuery($"{name} is said once, and not empty; several states are separated by commas."));
            }
        }

        string[]? states = null;
        if (One(said, "state") is { } asked)
        {
            states = [.. asked.Split(',').Select(TaskStates.Known).Distinct(StringComparer.Ordinal)];
            if (states.Except(AllStates, StringComparer.Ordinal).Any())
            {
                return (null, Problems.BadQuery($"state holds some of {string.Join(", ", AllStates)}, separated by commas."));
            }
        }

        var order = One(said, "order");
        if (order is not (null or "newest" or "oldest"))
        {
            return (null, Problems.BadQuery("order must be newest or oldest."));
        }

        var tag = One(said, "tag");
        if (tag is not null && PlainText.Fault("tag", tag, TaskLimits.TagLength, lines: false) is { } fault)
        {
            return (null, Problems.BadQuery(fault));
        }

        Guid? retryOf = null;
        if (One(said, "retry_of") is { } ended)
        {
            if (!TaggedIds.TryRead(ended, TaggedIds.Task, out var parsed))
            {
                return (null, Problems.BadTaskId());
            }

            retryOf = parsed;
        }

        var instants = new DateTime?[4];
        foreach (var (i, name) in ((string[])["created_after", "created_before", "ended_after", "ended_before"]).Index())
        {
            if (One(said, name) is { } text)
            {
                // A plus sign that was not escaped arrives as a space.
                if (!DateTimeOffset.TryParse(text.Replace(' ', '+'), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at)
                    || NewAssignment.Instant(name, at) is not null)
                {
                    return (null, Problems.BadQuery($"{name} must be an instant such as 2026-01-02T03:04:05Z, between 2000 and 2200."));
                }

                instants[i] = at.UtcDateTime;
            }
        }

        Guid? agent = null;
        if (One(said, "agent") is { } reference)
        {
            var (id, refusal) = await agents.MailboxAsync(reference, cancellationToken);
            if (refusal is not null)
            {
                return (null, refusal);
            }

            agent = id.Value;
        }

        return (new(states, agent, tag, instants[0], instants[1], instants[2], instants[3], retryOf, order != "oldest"), null);
    }

    private static string? One(IQueryCollection said, string name) => said.TryGetValue(name, out var values) ? values[0] : null;
}

/// <summary>A task in a list.</summary>
/// <param name="Description">The first 200 characters; <c>GET /v1/tasks/{task_id}</c> has all.</param>
internal sealed record TaskRow(
    Guid TaskId, string Description,
    [System.ComponentModel.DataAnnotations.AllowedValues("pending", "assigned", "running", "waiting", "completed", "failed", "cancelled", "dead")] string State,
    Guid? AgentId, string? AgentName, int Attempt, int Priority, string[] Tags,
    DateTime CreatedAt, DateTime? StartedAt, DateTime? CompletedAt, int? ExitCode, string? FailureCode, Guid? RetryOf);

/// <param name="NextCursor">Null at the end of the list. A page may be short, or empty, and not the last one: where few tasks match, looking is
/// cut into pieces.</param>
internal sealed record TaskListView(IReadOnlyList<TaskRow> Tasks, int Count, string? NextCursor);

/// <summary>An assigned task that no worker has.</summary>
internal sealed record PendingRow(Guid TaskId, string Description, Guid AgentId, string? AgentName);

internal sealed record PendingView(IReadOnlyList<PendingRow> Tasks, int Count, string? NextCursor);
