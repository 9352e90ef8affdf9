using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Townhall.Contracts.Workers;
using Townhall.Worker.Protocol;
using Townhall.Worker.Registration;

namespace Townhall.Worker.Output;

/// <summary>Sends what attempts print while they run: one call at a time, in order, repeated with the same request id until answered.</summary>
internal sealed partial class OutputUploads(
    DispatcherClient dispatcher, Session session, Action<LeaseRef> lost, TimeProvider clock, ILogger logger)
{
    private const int CallBytes = 1024 * 1024;
    private const int CallChunks = 64;
    private const int EagerBytes = 64 * 1024;
    private static readonly TimeSpan Coalesce = TimeSpan.FromMilliseconds(150);

    private readonly ConcurrentDictionary<LeaseRef, OutputBuffer> _open = [];
    private readonly Doorbell _doorbell = new(clock);

    /// <summary>Opens the buffer of an attempt; it is forgotten by <see cref="Forget"/>.</summary>
    public OutputBuffer Open(LeaseRef lease) =>
        _open[lease] = new OutputBuffer(lease, session.Reply.OutputLimitBytes, _doorbell.Ring);

    public void Forget(OutputBuffer buffer)
    {
        buffer.Close();
        _open.TryRemove(buffer.Lease, out _);
    }

    /// <summary>Sends until the session is over.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            while (true)
            {
                if (!_open.Values.Any(static buffer => buffer.Waiting > 0))
                {
                    await _doorbell.WaitAsync(null, cancellationToken);
                }

                var started = clock.GetTimestamp();

                // Single lines come together for a moment; much output, or the end of an attempt, does not wait.
                while (!_open.Values.Any(static buffer => buffer.Flushing || buffer.Waiting >= EagerBytes)
                    && Coalesce - clock.GetElapsedTime(started) is { Ticks: > 0 } rest)
                {
                    await _doorbell.WaitAsync(rest, cancellationToken);
                }

                if (Collect() is { Length: > 0 } chunks)
                {
                    await SendAsync(chunks, cancellationToken);
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The session is over, and with it the right to speak.
        }
    }

    private OutputChunk[] Collect()
    {
        List<OutputChunk> chunks = [];
        var room = CallBytes;
        foreach (var buffer in _open.Values)
        {
            if (room > 0 && chunks.Count < CallChunks && buffer.Next(room) is { } chunk)
            {
                chunks.Add(chunk);
                room -= chunk.Bytes.Length;
            }
        }

        return [.. chunks];
    }

    private async Task SendAsync(OutputChunk[] chunks, CancellationToken cancellationToken)
    {
        var request = new OutputRequest(Guid.CreateVersion7(), chunks);
        var backoff = new Backoff(TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(3), clock, Random.Shared);
        while (true)
        {
            switch (await dispatcher.OutputAsync(session.Token, request, cancellationToken))
            {
                case Answer<OutputReply>.Given(var reply):
                    Apply(reply);
                    return;
                case Answer<OutputReply>.TokenRefused(var status):
                    session.End(status);
                    await Task.Delay(Timeout.InfiniteTimeSpan, clock, cancellationToken);
                    return;
                case Answer<OutputReply>.Refused(var status, var detail):
                    // Asking again for ever would hold back what comes after it: this much is dropped, and counted.
                    LogRefused(status, detail);
                    foreach (var chunk in chunks)
                    {
                        _open.GetValueOrDefault(chunk.Lease)?.Close();
                    }

                    return;
                default:
                    await backoff.PauseAsync(cancellationToken);
                    break;
            }
        }
    }

    private void Apply(OutputReply reply)
    {
        foreach (var verdict in reply.Chunks)
        {
            var buffer = _open.Values.FirstOrDefault(buffer => buffer.Lease.TaskId == verdict.TaskId && buffer.Lease.Epoch == verdict.Epoch);
            if (buffer is null)
            {
                continue;
            }

            if (verdict.Verdict == Verdicts.Lost)
            {
                buffer.Close();
                lost(buffer.Lease);
            }
            else
            {
                buffer.Confirm(verdict.NextOffset);
            }
        }
    }

    [LoggerMessage(LogLevel.Warning, "The dispatcher refused output ({Status}: {Detail}); the attempts go on without it.")]
    private partial void LogRefused(int status, string detail);
}
