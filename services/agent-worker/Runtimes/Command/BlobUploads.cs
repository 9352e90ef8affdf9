using Microsoft.Extensions.Logging;
using Townhall.Worker.Leasing;
using Townhall.Worker.Protocol;
using Townhall.Worker.Registration;

namespace Townhall.Worker.Runtimes.Command;

/// <summary>Stores results that are longer than what a task keeps inline.</summary>
internal sealed partial class BlobUploads(DispatcherClient dispatcher, Session session, TimeProvider clock, ILogger logger)
{
    /// <summary>Uploads a blob, repeating until it is stored or the attempt is told to end.</summary>
    /// <returns>Its hash; null when the dispatcher will not have it, and then the result is its inline beginning only.</returns>
    /// <exception cref="OperationCanceledException">The attempt was told to end.</exception>
    public async Task<string?> StoreAsync(Attempt attempt, string sha256, byte[] content)
    {
        var backoff = new Backoff(TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(3), clock, Random.Shared);
        while (true)
        {
            switch (await dispatcher.PutBlobAsync(session.Token, sha256, content, attempt.Ending))
            {
                case Answer<bool>.Given:
                    return sha256;
                case Answer<bool>.Refused(var status, var detail):
                    LogRefused(attempt.Lease.TaskId, status, detail);
                    return null;
                case Answer<bool>.TokenRefused(var status):
                    session.End(status);
                    return null;
                default:
                    await backoff.PauseAsync(attempt.Ending);
                    break;
            }
        }
    }

    [LoggerMessage(LogLevel.Warning, "The dispatcher refused the whole result of {TaskId} ({Status}: {Detail}); its beginning is kept")]
    private partial void LogRefused(Guid taskId, int status, string detail);
}
