namespace Townhall.Client;

/// <summary>Words for an agent.</summary>
/// <param name="From">Who says it, when the caller may say so; null for the caller.</param>
/// <param name="Kind"><c>task</c> (default), <c>query</c>, <c>info</c> or <c>ack</c>.</param>
public sealed record NewMessage(string To, string Message, string? From = null, string? Kind = null, bool? Urgent = null, string? CorrelationId = null);

/// <param name="TaskId">The task that a message of kind <c>task</c> became.</param>
public sealed record SentMessage(
    Guid MessageId, string ToAgent, bool Urgent, string? Kind = null, string? CorrelationId = null, Guid? TaskId = null);

/// <param name="From">An agent's id, or a name.</param>
/// <param name="DeliveredTo">The task of the running attempt that was given it.</param>
public sealed record InboxMessage(
    Guid Id, string From, string Type, string Summary, bool Urgent = false, DateTime? CreatedAt = null, string? CorrelationId = null,
    string? FromName = null, Guid? TaskId = null, DateTime? DeliveredAt = null, Guid? DeliveredTo = null);

/// <param name="Total">Messages that wait, without the urgent ones.</param>
/// <param name="Count">Messages of this page.</param>
public sealed record Inbox(
    string Agent, long Total, long Urgent, InboxMessage[] Messages, Guid? AgentId = null, string? NextCursor = null, int Count = 0);

/// <summary>A message whole.</summary>
/// <param name="Kind"><c>task</c>, <c>query</c>, <c>info</c> or <c>ack</c>.</param>
/// <param name="AckType">Of kind <c>ack</c>: <c>received</c>, <c>acknowledged</c>, <c>thanks</c>, <c>approved</c> or <c>rejected</c>.</param>
/// <param name="Reason">Why it was rejected.</param>
/// <param name="DeliveredAt">When an attempt that still runs was given it.</param>
/// <param name="DeliveredTo">The task of that attempt.</param>
public sealed record TownMessage(
    Guid MessageId, Guid ToAgent, string From, string Kind, string Message, bool Urgent, DateTime CreatedAt, string? FromName = null,
    string? AckType = null, string? Reason = null, string? CorrelationId = null, Guid? TaskId = null, DateTime? DeliveredAt = null,
    Guid? DeliveredTo = null);

public sealed record RemovedMessage(bool Removed, Guid MessageId);
