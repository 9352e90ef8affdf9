namespace Townhall.Client;

/// <summary>Words for an agent.</summary>
/// <param name="From">Who says it, when the caller may say so; null for the caller.</param>
/// <param name="Kind"><c>task</c> (default), <c>query</c>, <c>info</c> or <c>ack</c>.</param>
public sealed record NewMessage(string To, string Message, string? From = null, string? Kind = null, bool? Urgent = null, string? CorrelationId = null);

/// <param name="TaskId">The task that a message of kind <c>task</c> became.</param>
public sealed record SentMessage(
    Guid MessageId, string ToAgent, bool Urgent, string? Kind = null, string? CorrelationId = null, Guid? TaskId = null);

/// <param name="From">An agent's id, or a name.</param>
public sealed record InboxMessage(
    Guid Id, string From, string Type, string Summary, bool Urgent = false, DateTime? CreatedAt = null, string? CorrelationId = null,
    string? FromName = null, Guid? TaskId = null, DateTime? DeliveredAt = null);

/// <param name="Total">Messages that wait, without the urgent ones.</param>
public sealed record Inbox(string Agent, long Total, long Urgent, InboxMessage[] Messages, Guid? AgentId = null, string? NextCursor = null);
