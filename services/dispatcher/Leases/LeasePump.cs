using System.Collections.Concurrent;
using System.Threading.Channels;
using Npgsql;
using Townhall.Contracts.Ids;
using Townhall.Contracts.Workers;
using Townhall.Dispatcher.Duties;
using Townhall.Dispatcher.Queues;
using Townhall.Dispatcher.Workers;
using Townhall.ServiceDefaults.Problems;
using Townhall.ServiceDefaults.Redis;

namespace Townhall.Dispatcher.Leases;

/// <summary>Brings waiting workers and ready agents together: one claim at a time, workers in the order they came.</summary>
internal sealed partial class LeasePump(
    IClaimStore leases, IWorkQueue queue, ReadyAgents ready, Doorbell doorbell, SequencerBell sequencer, TimeProvider clock, ILogger<LeasePump> logger)
    : BackgroundService
{
    private const int WaitersMost = 4096;
    private static readonly TimeSpan AfterFailure = TimeSpan.FromMilliseconds(200);
    private readonly ConcurrentQueue<Waiter> _waiters = new();
    private readonly ConcurrentDictionary<(Guid Worker, Guid Request), Waiter> _open = new();
    private readonly Channel<bool> _signal = Channel.CreateBounded<bool>(
        new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    /// <summary>Hears the doorbell. Call before the host starts.</summary>
    public void Listen() => doorbell.Hear(Doorbell.Work, Heard);

    /// <summary>Something changed: an agent is ready or a worker waits.</summary>
    public void Wake() => _signal.Writer.TryWrite(true);

    /// <summary>Waits up to <paramref name="wait"/> for up to <paramref name="max"/> leases; empty when none came.</summary>
    /// <remarks>The same call twice, also while the first still waits, gets the same leases.</remarks>
    /// <exception cref="OverloadedException">Too many workers wait.</exception>
    public async Task<Lease[]> WaitAsync(KnownWorker worker, Guid request, int max, TimeSpan wait, CancellationToken cancellationToken)
    {
        var waiter = _open.GetOrAdd((worker.Id.Value, request), static (_, made) => made, new Waiter(worker, request, max));
        if (Interlocked.Exchange(ref waiter.Entered, 1) == 0)
        {
            if (_open.Count > WaitersMost)
            {
                _open.TryRemove((worker.Id.Value, request), out _);
                throw new OverloadedException();
            }

            // Leased by an earlier call with this id whose reply was lost?
            var before = await RepeatAsync(waiter, cancellationToken);
            if (before.Length > 0)
            {
                Finish(waiter, before);
                return before;
            }

            _waiters.Enqueue(waiter);
            Wake();
        }

        try
        {
            return await waiter.Done.Task.WaitAsync(wait, clock, cancellationToken);
        }
        catch (Exception ended) when (ended is TimeoutException or OperationCanceledException)
        {
            if (waiter.TryLeave())
            {
                Finish(waiter, []);
                cancellationToken.ThrowIfCancellationRequested();
                return [];
            }

            // The pump is claiming for this waiter at this moment: what it gets must not be lost.
            return await waiter.Done.Task;
        }
    }

    /// <summary>Whether a call is still to be answered.</summary>
    internal bool IsOpen(WorkerId worker, Guid request) => _open.ContainsKey((worker.Value, request));

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (await _signal.Reader.WaitToReadAsync(stoppingToken))
            {
                _signal.Reader.TryRead(out _);
                await TurnAsync(stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping: workers ask again and find the next dispatcher.
        }
        finally
        {
            foreach (var waiter in _open.Values)
            {
                if (waiter.TryLeave())
                {
                    Finish(waiter, []);
                }
            }
        }
    }

    /// <summary>Claims until nobody waits or nothing is ready.</summary>
    internal async Task TurnAsync(CancellationToken cancellationToken)
    {
        // Callers that left are forgotten also while nothing is ready, or the line would grow with every idle poll.
        while (_waiters.TryPeek(out var first) && first.HasLeft)
        {
            _waiters.TryDequeue(out _);
        }

        while (queue.MayHaveWork && _waiters.TryDequeue(out var waiter))
        {
            if (!waiter.TryServe())
            {
                continue;       // left meanwhile
            }

            Given? given = null;
            try
            {
                given = await ClaimAsync(waiter, cancellationToken);
            }
            catch (Exception failure) when (failure is NpgsqlException or TimeoutException)
            {
                LogClaimFailed(failure);
            }
            finally
            {
                if (given is { Leases.Count: > 0 })
                {
                    Finish(waiter, [.. given.Leases]);
                    sequencer.Ring();
                }
                else if (waiter.TryReturn())
                {
                    _waiters.Enqueue(waiter);
                }
                else
                {
                    Finish(waiter, []);
                }
            }

            if (given is null)
            {
                await Task.Delay(AfterFailure, clock, cancellationToken);
                Wake();
                return;
            }

            if (given.Pause)
            {
                // The next end of a task wakes us, or the sweep.
                return;
            }
        }
    }

    private async Task<Given> ClaimAsync(Waiter waiter, CancellationToken cancellationToken)
    {
        if (waiter.Doubtful && await leases.RepeatAsync(waiter.Worker.Id, waiter.Request, cancellationToken) is { Length: > 0 } before)
        {
            return new(before, Pause: false);
        }

        waiter.Doubtful = true;
        var given = await queue.ClaimAsync(waiter.Worker, waiter.Request, waiter.Max, cancellationToken);
        waiter.Doubtful = false;
        return given;
    }

    private async Task<Lease[]> RepeatAsync(Waiter waiter, CancellationToken cancellationToken)
    {
        try
        {
            return await leases.RepeatAsync(waiter.Worker.Id, waiter.Request, cancellationToken);
        }
        catch
        {
            // The caller gets the failure; the next call with this id starts anew.
            Finish(waiter, []);
            throw;
        }
    }

    private void Finish(Waiter waiter, Lease[] given)
    {
        _open.TryRemove((waiter.Worker.Id.Value, waiter.Request), out _);
        waiter.Done.TrySetResult(given);
    }

    private void Heard(string name)
    {
        // Where there were too many to name, the sweep finds them within a second.
        if (Guid.TryParse(name, out var agent))
        {
            ready.Ring(agent);
            Wake();
        }
        else if (name == Doorbell.Everything)
        {
            queue.Look();
            Wake();
        }

        sequencer.Ring();
    }

    [LoggerMessage(LogLevel.Warning, "A claim failed; its agents stay in line and it is tried again")]
    private partial void LogClaimFailed(Exception failure);

    /// <summary>One worker's open call. Waiting, being served, or gone: one of them at a time.</summary>
    private sealed class Waiter(KnownWorker worker, Guid request, int max)
    {
        private const int Waiting = 0;
        private const int Serving = 1;
        private const int Left = 2;
        private const int LeftWhileServing = 3;
        private int _state = Waiting;

        public int Entered;

        /// <summary>A claim for it failed on the way: it may have been committed.</summary>
        public bool Doubtful { get; set; }

        public bool HasLeft => Volatile.Read(ref _state) == Left;

        public KnownWorker Worker { get; } = worker;

        public Guid Request { get; } = request;

        public int Max { get; } = max;

        public TaskCompletionSource<Lease[]> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public bool TryServe() => Interlocked.CompareExchange(ref _state, Serving, Waiting) == Waiting;

        /// <summary>Back in line after a claim that gave nothing; false when the caller has left meanwhile.</summary>
        public bool TryReturn() => Interlocked.CompareExchange(ref _state, Waiting, Serving) == Serving;

        /// <summary>False when the pump is at work for it; then the result must still be waited for.</summary>
        public bool TryLeave()
        {
            while (true)
            {
                switch (Volatile.Read(ref _state))
                {
                    case Waiting when Interlocked.CompareExchange(ref _state, Left, Waiting) == Waiting:
                        return true;
                    case Serving when Interlocked.CompareExchange(ref _state, LeftWhileServing, Serving) == Serving:
                        return false;
                    case Left:
                        return true;
                    case LeftWhileServing:
                        return false;
                }
            }
        }
    }
}
