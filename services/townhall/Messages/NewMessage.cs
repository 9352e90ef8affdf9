using System.ComponentModel.DataAnnotations;
using Townhall.Api.Text;
using Townhall.Contracts.Tasks;
using Townhall.ServiceDefaults.Problems;

namespace Townhall.Api.Messages;

/// <summary><c>POST /v1/messages/send</c>.</summary>
/// <param name="To">Id, name, nickname, label or short id; or <c>supervisor</c>.</param>
/// <param name="Message">At most 16 KiB of UTF-8; of kind <c>task</c> at most 256 KiB.</param>
/// <param name="From">Who says it; default: the caller's own agent, or the supervisor (docs/messages.md).</param>
/// <param name="Kind"><c>task</c> (default), <c>query</c>, <c>info</c> or <c>ack</c>.</param>
/// <param name="Urgent">Before all that is not.</param>
/// <param name="CorrelationId">What it is about, in the sender's words; 1 to 128 bytes.</param>
internal sealed record NewMessage(
    [Plain(256)] string? To, [Plain(TaskLimits.DescriptionBytes, Lines = true)] string? Message, [Plain(256)] string? From = null,
    [AllowedValues("task", "query", "info", "ack")] string? Kind = null, bool Urgent = false, [Plain(128)] string? CorrelationId = null)
{
    internal const string Task = "task";

    internal string KindWord => Kind ?? Task;

    public Refusal? Fault()
    {
        var wrong = (KindWord is Task or "query" or "info" or "ack" ? null : "kind must be task, query, info or ack.")
            ?? PlainText.Fault("to", To, 256, lines: false)
            ?? PlainText.Fault("message", Message, KindWord == Task ? TaskLimits.DescriptionBytes : TaskLimits.MessageBytes, lines: true)
            ?? (From is null ? null : PlainText.Fault("from", From, 256, lines: false))
            ?? (CorrelationId is null ? null : PlainText.Fault("correlation_id", CorrelationId, 128, lines: false));
        return wrong is null ? null : Problems.Invalid(wrong);
    }
}

/// <summary>What an acknowledgement says, read from its text.</summary>
/// <param name="Reason">Of a rejection only.</param>
internal readonly record struct Acknowledgement(string Type, string? Reason = null)
{
    private const string Rejected = "rejected:";

    /// <summary>Whoever wrote it is a person or a model: the first words count, whatever their case.</summary>
    public static Acknowledgement Of(string text)
    {
        var said = text.Trim();
        if (said.StartsWith(Rejected, StringComparison.OrdinalIgnoreCase))
        {
            return new("rejected", said[Rejected.Length..].Trim() is { Length: > 0 } reason ? reason : "no reason given");
        }

        return new(
            said.StartsWith("received", StringComparison.OrdinalIgnoreCase) ? "received"
            : said.StartsWith("approved", StringComparison.OrdinalIgnoreCase) ? "approved"
            : said.Contains("thanks", StringComparison.OrdinalIgnoreCase) || said.Contains("thank you", StringComparison.OrdinalIgnoreCase) ? "thanks"
            : "acknowledged");
    }
}

/// <param name="ToAgent">The agent's id.</param>
/// <param name="TaskId">The task that it is, of kind <c>task</c>; else null.</param>
internal sealed record SentMessage(Guid MessageId, Guid ToAgent, bool Urgent, string Kind, string? CorrelationId, Guid? TaskId);

/// <summary>One line of an inbox.</summary>
/// <param name="From">The sender's agent id (the supervisor's for whoever leads the town), or the name of who is no agent.</param>
/// <param name="Type"><c>task_assign</c>, <c>task</c>, <c>query</c>, <c>info</c> or <c>confirmation</c>.</param>
/// <param name="Summary">The first 200 characters.</param>
/// <param name="TaskId">The task that it is; null for words.</param>
/// <param name="DeliveredAt">When an attempt that still runs was given it; null while none has it.</param>
/// <param name="DeliveredTo">The task of that attempt.</param>
internal sealed record InboxRow(
    Guid Id, string From, string FromName, string Type, string Summary, bool Urgent, DateTime CreatedAt, string? CorrelationId, Guid? TaskId,
    DateTime? DeliveredAt, Guid? DeliveredTo);

/// <param name="Agent">As the path named it.</param>
/// <param name="Total">What is not urgent; of assigned tasks at most 10,000 are counted.</param>
/// <param name="Urgent">What is.</param>
internal sealed record InboxView(string Agent, Guid AgentId, long Total, long Urgent, IReadOnlyList<InboxRow> Messages, int Count, string? NextCursor);

/// <summary>A message whole.</summary>
/// <param name="AckType">Of kind <c>ack</c>: <c>received</c>, <c>acknowledged</c>, <c>thanks</c>, <c>approved</c> or <c>rejected</c>.</param>
internal sealed record MessageView(
    Guid MessageId, Guid ToAgent, string From, string FromName, string Kind, string Message, bool Urgent, string? AckType, string? Reason,
    string? CorrelationId, Guid? TaskId, DateTime CreatedAt, DateTime? DeliveredAt, Guid? DeliveredTo);

internal sealed record RemovedMessage(bool Removed, Guid MessageId);
