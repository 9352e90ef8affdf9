using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Text;
using Townhall.Contracts.Ids;
using Townhall.ServiceDefaults.Authentication;
using Townhall.ServiceDefaults.Problems;

namespace Townhall.Api.Output;

internal static class OutputEndpoints
{
    private const int FollowersMost = 500;
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(500);
    private static int s_followers;

    public static void AddOutput(this IHostApplicationBuilder builder) =>
        builder.Services.AddSingleton<OutputStore>().AddSingleton<OutputBell>();

    public static void MapOutput(this WebApplication app)
    {
        // Made now: it must hear the doorbell from the start.
        app.Services.GetRequiredService<OutputBell>();
        app.MapGet("/v1/tasks/{id}/output", GetOutput).RequireAuthorization(Scopes.TownRead).WithTags("Tasks").LongRunning().Produces<string>(contentType: "text/plain");
        app.MapGet("/v1/blobs/{sha256}", GetBlob).RequireAuthorization(Scopes.TownRead).WithTags("Blobs").Produces<byte[]>(contentType: "application/octet-stream")
            .Produces(StatusCodes.Status304NotModified);
    }

    /// <summary>What the task printed: of the newest attempt, or of <c>attempt</c>; with <c>follow=true</c> until it has ended.</summary>
    internal static async Task GetOutput(
        HttpContext context, string id, OutputStore output, OutputBell bell, IHostApplicationLifetime host,
        bool follow = false, [Range(1, int.MaxValue)] int? attempt = null, [Range(0.0, long.MaxValue)] long offset = 0)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, host.ApplicationStopping);
        var cancellationToken = either.Token;
        if (!TaggedIds.TryRead(id, TaggedIds.Task, out var parsed) || attempt is < 1 || offset < 0)
        {
            await Problems.BadQuery("The id is a UUID, attempt at least 1, offset at least 0.").ExecuteAsync(context);
            return;
        }

        var task = new TaskId(parsed);
        if (await output.StateAsync(task, cancellationToken) is not { } state)
        {
            await Problems.TaskNotFound(id).ExecuteAsync(context);
            return;
        }

        if (follow && Interlocked.Increment(ref s_followers) > FollowersMost)
        {
            Interlocked.Decrement(ref s_followers);
            await CommonRefusals.Overloaded.ExecuteAsync(context);
            return;
        }

        try
        {
            var response = context.Response;
            response.ContentType = "text/plain; charset=utf-8";
            response.Headers.CacheControl = "no-store";
            response.Headers.XContentTypeOptions = "nosniff";
            response.Headers["Townhall-Attempt"] = (attempt ?? state.Attempt).ToString(CultureInfo.InvariantCulture);
            // Flushed: who follows a task that says nothing yet learns at once that it is there.
            await response.Body.FlushAsync(cancellationToken);
            await new Follow(task, output, bell, response, attempt).RunAsync(state, follow, offset, cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The reader left, or we are stopping: what was sent is sent; offset lets it go on elsewhere.
        }
        finally
        {
            if (follow)
            {
                Interlocked.Decrement(ref s_followers);
                // Another follower of the same task looks by itself until the next ring.
                bell.Forget(task);
            }
        }
    }

    internal static async Task<IResult> GetBlob(string sha256, HttpContext context, OutputStore output, CancellationToken cancellationToken)
    {
        if (sha256.Length != 64 || !sha256.All(char.IsAsciiHexDigitLower))
        {
            return Problems.BadQuery("A blob is named by its SHA-256 in 64 lower-case hex digits.");
        }

        // The name is the hash: what was once read under it never changes.
        context.Response.Headers.XContentTypeOptions = "nosniff";
        return await output.BlobAsync(Convert.FromHexString(sha256), cancellationToken) is { } bytes
            ? TypedResults.Bytes(bytes, "application/octet-stream", entityTag: new Microsoft.Net.Http.Headers.EntityTagHeaderValue($"\"{sha256}\""))
            : Problems.BlobNotFound(sha256);
    }

    /// <summary>One reader's way through the attempts of a task.</summary>
    private sealed class Follow(TaskId task, OutputStore output, OutputBell bell, HttpResponse response, int? only)
    {
        public async Task RunAsync(OutputState state, bool follow, long offset, CancellationToken cancellationToken)
        {
            var attempt = only ?? state.Attempt;
            while (true)
            {
                var ring = follow ? bell.NextRing(task) : Task.CompletedTask;
                offset = await SendAsync(attempt, offset, cancellationToken);
                var ended = state.Ended || (only is { } wanted && state.Attempt > wanted);
                if (!follow || ended)
                {
                    return;
                }

                var now = await output.StateAsync(task, cancellationToken) ?? state with { Ended = true };
                if (only is null && now.Attempt > attempt)
                {
                    // The rest of the attempt that ended, then the one that began.
                    await SendAsync(attempt, offset, cancellationToken);
                    if (attempt > 0)
                    {
                        var line = string.Create(CultureInfo.InvariantCulture, $"\n--- attempt {now.Attempt} ---\n");
                        await response.WriteAsync(line, Encoding.UTF8, cancellationToken);
                    }

                    (attempt, offset, state) = (now.Attempt, 0, now);
                    continue;
                }

                if (now.Ended || now != state)
                {
                    state = now;
                    continue;
                }

                await bell.WaitAsync(ring, LookEvery, cancellationToken);
            }
        }

        private async Task<long> SendAsync(int attempt, long offset, CancellationToken cancellationToken)
        {
            while (true)
            {
                var chunks = await output.AfterAsync(task, attempt, offset, cancellationToken);
                foreach (var chunk in chunks)
                {
                    await response.Body.WriteAsync(chunk, cancellationToken);
                    offset += chunk.Length;
                }

                if (chunks.Count == 0)
                {
                    return offset;
                }

                await response.Body.FlushAsync(cancellationToken);
            }
        }
    }
}
