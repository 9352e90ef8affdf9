using System.Threading.Channels;
using Npgsql;
using Townhall.ServiceDefaults.Problems;
using Townhall.ServiceDefaults.Redis;

namespace Townhall.Api.Tasks;

/// <summary>How one offered task ended.</summary>
internal enum AcceptOutcome
{
    /// <summary>Committed: it will not be lost.</summary>
    Accepted,
    AgentNotFound,
    AgentNotAccepting,
}

/// <summary>Accepts tasks in micro-batches: whatever arrived while a commit was in flight goes into the next one.</summary>
/// <remarks>A batch that a bad row fails is tried again row by row, so that the bad row fails alone.</remarks>
internal sealed class Acceptance(TaskStore tasks, Doorbell doorbell) : BackgroundService
{
    /// <summary>Offers waiting at most; one more is answered with 503.</summary>
    private const int WaitingMost = 8192;

    /// <summary>Rows of one statement at most: beyond that a commit takes longer than its fsync.</summary>
    private const int BatchMost = 256;

    /// <summary>Commits in flight: one executes while the other waits for the disk.</summary>
    private const int Lanes = 2;

    private readonly Channel<Offer> _offers = Channel.CreateBounded<Offer>(
        new BoundedChannelOptions(WaitingMost) { FullMode = BoundedChannelFullMode.Wait });

    /// <summary>Returns after the commit.</summary>
    /// <exception cref="OverloadedException">Too many offers wait; this one was not begun.</exception>
    /// <exception cref="NpgsqlException">The database failed; whether it was accepted is not known.</exception>
    public async Task<AcceptOutcome> AcceptAsync(AcceptedTask task, CancellationToken cancellationToken)
    {
        var offer = new Offer(task, cancellationToken);
        return _offers.Writer.TryWrite(offer)
            ? await offer.Done.Task.WaitAsync(cancellationToken)
            : throw new OverloadedException();
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll(Enumerable.Range(0, Lanes).Select(_ => RunLaneAsync(stoppingToken)));

    private async Task RunLaneAsync(CancellationToken stoppingToken)
    {
        var batch = new List<Offer>(BatchMost);
        try
        {
            while (await _offers.Reader.WaitToReadAsync(stoppingToken))
            {
                batch.Clear();
                while (batch.Count < BatchMost && _offers.Reader.TryRead(out var offer))
                {
                    // A caller who is gone before we began gets nothing committed in their name.
                    if (!offer.Gone.IsCancellationRequested)
                    {
                        batch.Add(offer);
                    }
                }

                if (batch.Count > 0)
                {
                    await CommitAsync(batch);
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping: requests in flight end with the host; nothing was promised to them.
        }
    }

    private async Task CommitAsync(List<Offer> batch)
    {
        try
        {
            // Not the callers' tokens: one caller hanging up must not roll back the others' work.
            var outcomes = await tasks.AcceptAsync([.. batch.Select(static offer => offer.Task)], CancellationToken.None);
            for (var i = 0; i < batch.Count; i++)
            {
                if (outcomes[i] == AcceptOutcome.Accepted)
                {
                    doorbell.Ring(Doorbell.Work, batch[i].Task.Agent.ToString());
                }

                batch[i].Done.TrySetResult(outcomes[i]);
            }
        }
        catch (PostgresException bad) when (bad.SqlState.StartsWith("22", StringComparison.Ordinal) && batch.Count > 1)
        {
            foreach (var offer in batch)
            {
                await CommitAsync([offer]);
            }
        }
        catch (Exception failure) when (failure is NpgsqlException or TimeoutException or InvalidOperationException)
        {
            foreach (var offer in batch)
            {
                offer.Done.TrySetException(failure);
            }
        }
    }

    private sealed class Offer(AcceptedTask task, CancellationToken gone)
    {
        public AcceptedTask Task { get; } = task;

        public CancellationToken Gone { get; } = gone;

        public TaskCompletionSource<AcceptOutcome> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
