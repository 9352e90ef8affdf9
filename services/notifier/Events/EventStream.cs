using System.Globalization;
using System.Text;
using Npgsql;
using Townhall.Notifier.Tail;

namespace Townhall.Notifier.Events;

/// <summary>How a stream ended.</summary>
internal enum StreamEnd
{
    /// <summary>The listener closed it.</summary>
    Left,

    /// <summary>The listener did not read for too long.</summary>
    TooSlow,

    /// <summary>This service stops; the listener was asked to come back.</summary>
    Stopping,
}

/// <summary>
/// Tells one listener everything behind its position, in order, each event once. It holds a position and no queue: what
/// a listener has not taken yet is in the ring or in the ledger, and only what is being sent is its own.
/// </summary>
internal sealed class EventStream(
    EventRequest request, EventRing ring, EventPages pages, Stream body, TimeProvider clock, CancellationToken stopping)
{
    /// <summary>Proxies and listeners take a connection that says nothing for dead.</summary>
    public static readonly TimeSpan KeepAlive = TimeSpan.FromSeconds(15);

    /// <summary>A write that takes so long means that the listener has stopped reading; its buffers, 64 KiB here, are full.</summary>
    public static readonly TimeSpan WriteMost = TimeSpan.FromSeconds(20);

    /// <summary>Bytes sent in one write; with the connection's own buffer a listener costs less than 256 KiB.</summary>
    private const int ChunkBytes = 64 * 1024;
    private const int FramesMost = 512;
    private static readonly TimeSpan RetryAfterFailure = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ReadDeadline = TimeSpan.FromSeconds(3);
    private static readonly byte[] StillHere = ": keep-alive\n\n"u8.ToArray();
    private long _cursor;
    private long _told;
    private long _wroteAt = clock.GetTimestamp();
    private bool _known;
    private long? _ahead;

    /// <summary>Finds the beginning; once more when the stream runs, if the ledger cannot be read now.</summary>
    public async Task FindStartAsync(CancellationToken gone)
    {
        try
        {
            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(gone);
            deadline.CancelAfter(ReadDeadline);
            if (request.After is { } after)
            {
                _cursor = after;

                // Only a position that the ring has not reached can be ahead of the ledger.
                if (ring.Last is not { } last || after > last)
                {
                    var head = await pages.HeadAsync(deadline.Token);
                    _ahead = after > head ? head : null;
                }
            }
            else
            {
                _cursor = await pages.HeadAsync(deadline.Token);
            }

            _known = true;
        }
        catch (Exception away) when (IsAway(away) && !gone.IsCancellationRequested)
        {
            // The stream opens all the same and asks again.
        }
    }

    /// <param name="gone">Cancelled when the listener's connection is closed.</param>
    /// <returns>Why it ended.</returns>
    public async Task<StreamEnd> RunAsync(CancellationToken gone)
    {
        using var both = CancellationTokenSource.CreateLinkedTokenSource(gone, stopping);
        try
        {
            await GreetAsync(gone);
            while (!both.IsCancellationRequested)
            {
                await StepAsync(gone, both.Token);
            }
        }
        catch (OperationCanceledException) when (both.IsCancellationRequested)
        {
            // One of the two ends below.
        }
        catch (TimeoutException)
        {
            return StreamEnd.TooSlow;
        }
        catch (IOException)
        {
            return StreamEnd.Left;      // the connection broke under a write
        }

        return stopping.IsCancellationRequested && !gone.IsCancellationRequested ? await FarewellAsync(gone) : StreamEnd.Left;
    }

    private async Task StepAsync(CancellationToken gone, CancellationToken either)
    {
        if (!_known)
        {
            await FindStartAsync(either);
            if (!_known)
            {
                await PauseAsync(Task.Delay(RetryAfterFailure, clock, either), gone, either);
                return;
            }

            await GreetAsync(gone);
        }

        // Taken before looking: a change in between completes it.
        var changed = ring.Changed;
        var (answer, frames) = ring.After(_cursor, FramesMost);
        switch (answer)
        {
            case RingAnswer.More:
                await SendAsync(frames, gone);
                _cursor = frames[^1].Seq;
                break;
            case RingAnswer.Behind:
                await CatchUpAsync(gone, either);
                break;
            default:
                await PauseAsync(changed, gone, either);
                break;
        }
    }

    private async Task CatchUpAsync(CancellationToken gone, CancellationToken either)
    {
        EventPage page;
        try
        {
            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(either);
            deadline.CancelAfter(ReadDeadline);
            page = await pages.ReadAsync(_cursor, request.Filter, deadline.Token);
        }
        catch (Exception away) when (IsAway(away) && !either.IsCancellationRequested)
        {
            await PauseAsync(Task.Delay(RetryAfterFailure, clock, either), gone, either);
            return;
        }

        if (page.Resumes is { } resumes)
        {
            await WriteAsync(Encoding.UTF8.GetBytes(Gap(_cursor, resumes, "archived")), gone);
            _cursor = resumes - 1;
            return;
        }

        await SendAsync(page.Frames, gone);
        _cursor = page.Reached;
    }

    /// <summary>Waits for <paramref name="something"/>, with keep-alives meanwhile.</summary>
    private async Task PauseAsync(Task something, CancellationToken gone, CancellationToken either)
    {
        while (!something.IsCompleted)
        {
            var quiet = KeepAlive - clock.GetElapsedTime(_wroteAt);
            if (quiet <= TimeSpan.Zero)
            {
                // What was filtered away counts as seen: after a reconnect nobody has to look at it again.
                await WriteAsync(_cursor > _told ? Encoding.UTF8.GetBytes(Position(_cursor)) : StillHere, gone);
                _told = Math.Max(_told, _cursor);
                continue;
            }

            try
            {
                await something.WaitAsync(quiet, clock, either);
            }
            catch (TimeoutException)
            {
                // Quiet for so long that a keep-alive is due.
            }
        }
    }

    private async Task SendAsync(IReadOnlyList<EventFrame> frames, CancellationToken gone)
    {
        var chunk = new MemoryStream();
        foreach (var frame in frames)
        {
            if (request.Filter.Passes(frame.Entry))
            {
                if (chunk.Length > 0 && chunk.Length + frame.Bytes.Length > ChunkBytes)
                {
                    await WriteAsync(chunk.GetBuffer().AsMemory(0, (int)chunk.Length), gone);
                    chunk.SetLength(0);
                }

                chunk.Write(frame.Bytes.Span);
                _told = frame.Seq;
            }
        }

        if (chunk.Length > 0)
        {
            await WriteAsync(chunk.GetBuffer().AsMemory(0, (int)chunk.Length), gone);
        }
    }

    private async Task GreetAsync(CancellationToken gone)
    {
        // A different wait for each, so that they do not all come back in the same moment. With the position, a listener
        // that loses its connection before the first event misses nothing either.
        var greeting = $"retry: {Random.Shared.Next(1000, 3000).ToString(CultureInfo.InvariantCulture)}\n";
        if (!_known)
        {
            await WriteAsync(Encoding.UTF8.GetBytes(greeting + ": the ledger cannot be read yet\n\n"), gone);
            return;
        }

        if (_ahead is { } head)
        {
            await WriteAsync(Encoding.UTF8.GetBytes($"{greeting}\n{Gap(_cursor, head + 1, "ahead")}"), gone);
            _cursor = head;
            _ahead = null;
        }
        else
        {
            await WriteAsync(Encoding.UTF8.GetBytes(greeting + (request.After is null ? Position(_cursor) : "\n")), gone);
        }

        _told = _cursor;
    }

    private async Task<StreamEnd> FarewellAsync(CancellationToken gone)
    {
        var wait = Random.Shared.Next(200, 3000).ToString(CultureInfo.InvariantCulture);
        try
        {
            var write = body.WriteAsync(Encoding.UTF8.GetBytes($"retry: {wait}\nevent: reconnect\ndata: {{\"retry_ms\":{wait}}}\n\n"), gone).AsTask();
            await write.WaitAsync(TimeSpan.FromSeconds(1), clock, gone);
        }
        catch (Exception unread) when (unread is IOException or TimeoutException or OperationCanceledException)
        {
            // It will find out by itself that the connection is closed.
        }

        return StreamEnd.Stopping;
    }

    /// <exception cref="TimeoutException">The listener does not read.</exception>
    private async Task WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken gone)
    {
        using var late = new CancellationTokenSource(WriteMost, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(gone, late.Token);
        try
        {
            await body.WriteAsync(bytes, either.Token);
            await body.FlushAsync(either.Token);
            _wroteAt = clock.GetTimestamp();
        }
        catch (OperationCanceledException) when (late.IsCancellationRequested)
        {
            // Not "and the listener is still there": Kestrel aborts the connection of a cancelled write, and says so first or last.
            throw new TimeoutException();
        }
    }

    private static bool IsAway(Exception failure) => failure is NpgsqlException or TimeoutException or OperationCanceledException;

    /// <summary>An event without data: it moves the listener's position and is not delivered.</summary>
    private static string Position(long position) => $"id: {position.ToString(CultureInfo.InvariantCulture)}\n\n";

    private static string Gap(long after, long resumes, string reason) => string.Create(
        CultureInfo.InvariantCulture,
        $"event: gap\nid: {resumes - 1}\ndata: {{\"after\":{after},\"resumes_at\":{resumes},\"reason\":\"{reason}\",\"read_at\":\"/v1/ledger?after={after}\"}}\n\n");
}
