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

    /// <summary>Its key has an answer already, which it gets; nothing was made now.</summary>
    Replayed,

    /// <summary>Its key was used for another call.</summary>
    KeyReused,
    AgentNotFound,
    AgentNotAccepting,
    DeadlinePassed,

    /// <summary>What refused it changed while it was judged: nothing was made, and offering it again makes sense.</summary>
    Again,
}

/// <summary>An outcome, with the status and the body of the first call where it is <see cref="AcceptOutcome.Replayed"/>.</summary>
internal readonly record struct Judgement(AcceptOutcome Outcome, short Status = 0, string? Response = null);

/// <summary>Accepts tasks in micro-batches: whatever arrived while a commit was in flight goes into the next one.</summary>
/// <remarks>A batch that a bad row fails is tried again row by row, so that the bad row fails alone. Offers with the same key
/// never share a batch: the later one waits for the judgement of the earlier one.</remarks>
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
    public async Task<Judgement> AcceptAsync(AcceptedTask task, CancellationToken cancellationToken)
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
        var keyed = new Dictionary<(string Principal, string Key), Offer>();
        try
        {
            while (await _offers.Reader.WaitToReadAsync(stoppingToken))
            {
                batch.Clear();
                keyed.Clear();
                for (var read = 0; read < BatchMost && _offers.Reader.TryRead(out var offer); read++)
                {
                    // A caller who is gone before we began gets nothing committed in their name.
                    if (!offer.Gone.IsCancellationRequested && !FollowsAnother(offer, keyed))
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
            AcceptedTask[] rows = [.. batch.Select(static offer => offer.Task)];
            var judged = await SqlFailures.AgainAfterConflictAsync(() => tasks.AcceptAsync(rows, CancellationToken.None));
            for (var i = 0; i < batch.Count; i++)
            {
                if (judged[i].Outcome == AcceptOutcome.Accepted)
                {
                    doorbell.Ring(Doorbell.Work, batch[i].Task.Agent.ToString());
                }

                batch[i].Done.TrySetResult(judged[i]);
                if (batch[i].Followers is { } followers)
                {
                    await AnswerAsync(followers, batch[i].Task, judged[i]);
                }
            }
        }
        catch (PostgresException bad) when (batch.Count > 1 && (bad.IsOfARow() || bad.IsConflict()))
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
                offer.Followers?.ForEach(follower => follower.Done.TrySetException(failure));
            }
        }
    }

    /// <summary>Lets an offer whose key stands in the batch already wait for the one that came first.</summary>
    private static bool FollowsAnother(Offer offer, Dictionary<(string Principal, string Key), Offer> keyed)
    {
        if (offer.Task.Key is not { } key || keyed.TryAdd((offer.Task.Actor, key.Key), offer))
        {
            return false;
        }

        (keyed[(offer.Task.Actor, key.Key)].Followers ??= []).Add(offer);
        return true;
    }

    /// <summary>Answers what the judgement of the first offer with their key means for the others.</summary>
    private async Task AnswerAsync(List<Offer> followers, AcceptedTask first, Judgement judged)
    {
        foreach (var follower in followers)
        {
            var same = follower.Task.Key!.IsOf(first.Key!.Hash);
            if (judged.Outcome is AcceptOutcome.Accepted or AcceptOutcome.Replayed && !same)
            {
                follower.Done.TrySetResult(new(AcceptOutcome.KeyReused));
            }
            else if (same)
            {
                follower.Done.TrySetResult(
                    judged.Outcome == AcceptOutcome.Accepted ? new(AcceptOutcome.Replayed, 201, first.Response) : judged);
            }
            else
            {
                // The first one left the key unused, or has lost it to a third one: this call is judged for itself.
                await CommitAsync([follower]);
            }
        }
    }

    private sealed class Offer(AcceptedTask task, CancellationToken gone)
    {
        public AcceptedTask Task { get; } = task;

        public CancellationToken Gone { get; } = gone;

        public TaskCompletionSource<Judgement> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>Later offers with the same key; null while there are none.</summary>
        public List<Offer>? Followers { get; set; }
    }
}
