using Townhall.ServiceDefaults.Problems;

namespace Townhall.Api;

/// <content>Refusals of doing tasks again, and of doing something to many of them.</content>
internal static partial class Problems
{
    public static Refusal TaskNotEnded(string id) =>
        new(409, "task_not_ended", $"Task {id} has not ended; only what has ended can be retried.");

    public static Refusal TaskCompleted(string id) =>
        new(409, "task_completed", $"Task {id} completed. With force it is done again.");

    public static Refusal AlreadyRetried(string id) =>
        new(409, "already_retried", $"Task {id} was retried already. With force it is done once more.");

    public static Refusal BulkNotFound(string id) => new(404, "bulk_not_found", $"There is no selection {CommonRefusals.Printable(id)}.");

    public static Refusal BulkTokenRefused() =>
        new(409, "bulk_token_refused", "This confirm_token is unknown, was used, or is older than ten minutes. Begin with dry_run.");

    public static Refusal BulkTooLarge(int most) => new(422, "bulk_too_large", $"The filter selects more than {most} tasks; narrow it.");
}
