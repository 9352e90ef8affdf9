using Townhall.ServiceDefaults.Problems;

namespace Townhall.Api;

/// <content>Refusals around the backlog, messages and blobs.</content>
internal static partial class Problems
{
    public static Refusal NotInBacklog(string id, string state) =>
        new(409, "task_not_in_backlog", $"Task {id} is {state}, so nobody can take it from the backlog.");

    public static Refusal NothingToRemove(string id) => new(404, "task_not_in_backlog", $"There is no task {id} in the backlog.");

    public static Refusal IsSupervisor() =>
        new(409, "agent_is_supervisor", "The supervisor is a mailbox that people read: it runs nothing and is never paused, ended or changed.");

    public static Refusal NotYourName(string from) =>
        new(403, "sender_not_yours", $"You may not speak as {CommonRefusals.Printable(from)}; leave out from, or name your own agent.");

    public static Refusal InboxFull(string reference) =>
        new(429, "inbox_full", $"{CommonRefusals.Printable(reference)} has as many messages that nobody acted on as an inbox holds.") { RetryAfterSecs = 30 };

    public static Refusal BadMessageId() => BadQuery("A message id is a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057.");

    public static Refusal MessageNotFound(string id) =>
        new(404, "message_not_found", $"There is no message {CommonRefusals.Printable(id)} that nobody acted on.");

    public static Refusal MessageIsTask(string id) => new(409, "message_is_task", $"Message {id} is a task: withdraw the task.");

    public static Refusal BlobMismatch() => new(422, "blob_hash_mismatch", "The bytes do not have the SHA-256 in the path; nothing was stored.");
}
