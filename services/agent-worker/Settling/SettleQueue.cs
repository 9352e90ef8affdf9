using Microsoft.Extensions.Logging;
using Townhall.Contracts.Workers;
using Townhall.Worker.Lifetime;
using Townhall.Worker.Protocol;
using Townhall.Worker.Registration;

namespace Townhall.Worker.Settling;

/// <summary>Delivers results: one call in flight, and what arrives meanwhile goes into the next one.</summary>
/// <remarks>
/// A call is repeated with its request id until it is answered, for as long as the session's owner waits; the dispatcher records
/// it once. So also after the session is over: what was done before this worker was declared lost may still count. A batch that is refused as a whole is sent result by result, so that one bad result fails alone.
/// </remarks>
internal sealed partial class SettleQueue(
    IDispatcher dispatcher, Session session, Action<IReadOnlyList<LeaseRef>> settled, TimeProvider clock, Random random, ILogger logger) : IDisposable
{
    private const int BatchResults = 256;

    // Texts may grow sixfold when they are escaped, and listeners refuse large bodies.
    private const int BatchCharacters = 256 * 1024;

    private readonly Lock _gate = new();
    private readonly Queue<AttemptResult> _waiting = [];
    private readonly Backoff _backoff = new(TimeSpan.FromMilliseconds(50), TimeSpan.FromSeconds(3), clock, random);
    private readonly CancellationTokenSource _givenUp = new();
    private bool _sending;
    private int _undelivered;

    /// <summary>Results not yet answered for, as far as somebody may still answer.</summary>
    public int Undelivered => _givenUp.IsCancellationRequested ? 0 : Volatile.Read(ref _undelivered);

    /// <summary>Takes results; sends them at once when nothing is in flight.</summary>
    public void Add(IReadOnlyList<AttemptResult> results)
    {
        if (results.Count == 0)
        {
            return;
        }

        lock (_gate)
        {
            foreach (var result in results)
            {
                _waiting.Enqueue(result);
            }

            Interlocked.Add(ref _undelivered, results.Count);
            if (_sending)
            {
                return;
            }

            _sending = true;
        }

        Unforeseen.EndsTheProcess(SendAllAsync());
    }

    /// <summary>Nobody waits for what is left.</summary>
    public void Dispose() => _givenUp.Cancel();

    private async Task SendAllAsync()
    {
        // The caller goes on with its turn; serializing is not its work.
        await Task.Yield();
        while (TakeBatch() is { Count: > 0 } batch)
        {
            if (!await SendAsync(batch))
            {
                return;
            }
        }
    }

    /// <returns>Null-free batch; empty when nothing waits, and then nobody is sending any more.</returns>
    private List<AttemptResult> TakeBatch()
    {
        List<AttemptResult> batch = [];
        var characters = 0;
        lock (_gate)
        {
            while (batch.Count < BatchResults && _waiting.TryPeek(out var next)
                && (batch.Count == 0 || characters + (next.Result?.Length ?? 0) <= BatchCharacters))
            {
                batch.Add(_waiting.Dequeue());
                characters += next.Result?.Length ?? 0;
            }

            _sending = batch.Count > 0;
        }

        return batch;
    }

    /// <returns>False when nobody hears this worker any more, or waits for it.</returns>
    private async Task<bool> SendAsync(List<AttemptResult> batch)
    {
        var request = new SettleRequest(Guid.CreateVersion7(), [.. batch]);
        while (!_givenUp.IsCancellationRequested)
        {
            try
            {
                switch (await dispatcher.SettleAsync(session.Token, request, _givenUp.Token))
                {
                    case Answer<SettleReply>.Given(var reply):
                        _backoff.Reset();
                        foreach (var verdict in reply.Results)
                        {
                            if (verdict.Verdict == Verdicts.Stale)
                            {
                                LogStale(verdict.TaskId, verdict.Epoch);
                            }
                        }

                        Done(batch);
                        return true;
                    case Answer<SettleReply>.TokenRefused(var status):
                        await _givenUp.CancelAsync();
                        session.End(status);
                        settled([]);
                        return false;
                    case Answer<SettleReply>.Refused when batch.Count > 1:
                        foreach (var single in batch)
                        {
                            if (!await SendAsync([single]))
                            {
                                return false;
                            }
                        }

                        return true;
                    case Answer<SettleReply>.Refused(var status, var detail):
                        // Nothing else can be said about it: the lease runs out, and the dispatcher decides.
                        LogRefused(batch[0].Lease.TaskId, batch[0].Lease.Epoch, status, detail);
                        Done(batch);
                        return true;
                    case Answer<SettleReply>.Unknown(var reason):
                        LogRepeated(batch.Count, reason);
                        await _backoff.PauseAsync(_givenUp.Token);
                        break;
                }
            }
            catch (OperationCanceledException) when (_givenUp.IsCancellationRequested)
            {
                return false;
            }
        }

        return false;
    }

    private void Done(List<AttemptResult> batch)
    {
        Interlocked.Add(ref _undelivered, -batch.Count);
        settled(batch.ConvertAll(static result => result.Lease));
    }

    [LoggerMessage(LogLevel.Warning, "The result of {TaskId} attempt {Epoch} came too late: a newer attempt exists")]
    private partial void LogStale(Guid taskId, int epoch);

    [LoggerMessage(LogLevel.Error, "The result of {TaskId} attempt {Epoch} was refused ({Status}: {Detail}); its lease will run out")]
    private partial void LogRefused(Guid taskId, int epoch, int status, string detail);

    [LoggerMessage(LogLevel.Debug, "Settling {Count} results is repeated: {Reason}")]
    private partial void LogRepeated(int count, string reason);
}
