using Townhall.Client.Calls;

namespace Townhall.Client;

public sealed partial class TownClient
{
    public Task<SentMessage> SendAsync(NewMessage message, CancellationToken cancellationToken) => CallAsync(
        Call.Post("v1/messages/send", Repeat.Keyed, message, RequestJson.Default.NewMessage), AnswerJson.Default.SentMessage,
        cancellationToken);

    /// <summary>What waits for an agent, at most the first 100. Looking takes nothing out.</summary>
    public Task<Inbox> InboxAsync(string agent, CancellationToken cancellationToken) => InboxPageAsync(agent, null, null, cancellationToken);

    /// <summary>A page of what waits for an agent.</summary>
    /// <param name="limit">1 to 500; null: 100.</param>
    public Task<Inbox> InboxPageAsync(string agent, int? limit, string? cursor, CancellationToken cancellationToken) => CallAsync(
        Call.Get(AgentPath(agent, $"/inbox{new Query().Add("limit", limit).Add("cursor", cursor)}")), AnswerJson.Default.Inbox,
        cancellationToken);

    /// <summary>A message whole, while nobody acted on it. Reading changes nothing.</summary>
    public Task<TownMessage> MessageAsync(Guid id, CancellationToken cancellationToken) =>
        CallAsync(Call.Get(MessagePath(id)), AnswerJson.Default.TownMessage, cancellationToken);

    /// <summary>Takes a message away: whoever reads the supervisor's mailbox says so that it was acted on.</summary>
    /// <exception cref="TownProblemException"><c>message_is_task</c>: it ends with its task; <c>message_not_found</c>: it is gone.</exception>
    public Task<RemovedMessage> RemoveMessageAsync(Guid id, CancellationToken cancellationToken) =>
        CallAsync(Call.Delete(MessagePath(id)), AnswerJson.Default.RemovedMessage, cancellationToken);

    private static string MessagePath(Guid id) => $"v1/messages/{id}";
}
