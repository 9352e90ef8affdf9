using Townhall.Dispatcher.Duties;
using Townhall.Dispatcher.Leases;
using Townhall.Dispatcher.Workers;
using Townhall.ServiceDefaults.Redis;

namespace Townhall.Dispatcher.Queues;

/// <summary>
/// Queue <c>streams</c>: the leading dispatcher chooses what may start now, in fair order over the whole town, and puts the
/// ids into a Redis stream; every dispatcher serves its workers from there and leases by id. While Redis does not answer, and
/// while nobody feeds the stream, claims go straight to Postgres.
/// </summary>
internal sealed partial class StreamsQueue(
    LeaseStore leases, ReadyAgents ready, PostgresQueue direct, WorkStream stream, ILeadership leadership, Doorbell doorbell,
    TimeProvider clock, ILogger<StreamsQueue> logger) : IWorkQueue
{
    /// <summary>Tasks in the stream at most: a small multiple of what is asked for at once, and never far ahead of the limits.</summary>
    private const int AheadMost = 1024;

    /// <summary>Nobody fed for so long although something may start: the feeder is gone, or Redis lost what it fed.</summary>
    private static readonly TimeSpan Unfed = TimeSpan.FromSeconds(2);

    /// <summary>Chosen, not leased for so long, and the stream is empty: it was lost on the way, and is chosen again.</summary>
    private static readonly TimeSpan LostAfter = TimeSpan.FromSeconds(1);

    /// <summary>The same while the stream is not empty: it may still stand in it.</summary>
    private static readonly TimeSpan DoubtedAfter = TimeSpan.FromSeconds(10);

    /// <summary>A look into the stream without being told, as for every ring that may be lost.</summary>
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);

    private readonly Dictionary<Guid, long> _chosen = [];
    private long _fedAt = clock.GetTimestamp();
    private long _lookedAt;
    private bool _mayHold = true;
    private bool _away;

    public bool MayHaveWork => Volatile.Read(ref _mayHold) || ready.Count > 0 || clock.GetElapsedTime(_lookedAt) >= LookEvery;

    /// <summary>The stream may hold something: the feeder said so, or it is time to look.</summary>
    public void Look() => Volatile.Write(ref _mayHold, true);

    public async Task<Given> ClaimAsync(KnownWorker worker, Guid request, int most, CancellationToken cancellationToken)
    {
        var leads = leadership.Epoch is not null;
        if (leads && ready.Count > 0 && !await FeedAsync(Math.Min(AheadMost, 2 * most), cancellationToken))
        {
            return await DirectAsync(worker, request, most, cancellationToken);
        }

        Volatile.Write(ref _mayHold, false);
        _lookedAt = clock.GetTimestamp();
        if (await stream.TakeAsync(most) is not { } tasks)
        {
            return await DirectAsync(worker, request, most, cancellationToken);
        }

        Back();
        if (tasks.Length == 0)
        {
            return leads || clock.GetElapsedTime(_fedAt) < Unfed
                ? new([], Pause: true)
                : await direct.ClaimAsync(worker, request, most, cancellationToken);
        }

        _fedAt = clock.GetTimestamp();
        Volatile.Write(ref _mayHold, tasks.Length == most);
        var (given, full) = await leases.ClaimTasksAsync(worker.Id, request, worker.Runtimes, tasks, cancellationToken);
        foreach (var lease in given)
        {
            _chosen.Remove(lease.TaskId);
        }

        return new(given, full);
    }

    private async Task<Given> DirectAsync(KnownWorker worker, Guid request, int most, CancellationToken cancellationToken)
    {
        if (!_away)
        {
            _away = true;
            LogAway();
        }

        // What was chosen may be gone with Redis; Postgres gives it, or it is chosen again.
        _chosen.Clear();
        return direct.MayHaveWork ? await direct.ClaimAsync(worker, request, most, cancellationToken) : new([], Pause: true);
    }

    private void Back()
    {
        if (_away)
        {
            _away = false;
            LogBack();
        }
    }

    /// <summary>Fills the stream up to <paramref name="target"/> chosen tasks.</summary>
    /// <returns>False when Redis did not take them.</returns>
    private async Task<bool> FeedAsync(int target, CancellationToken cancellationToken)
    {
        if (_chosen.Count > 0)
        {
            if (await stream.LengthAsync() is not { } length)
            {
                return false;
            }

            var patience = length == 0 ? LostAfter : DoubtedAfter;
            foreach (var lost in _chosen.Where(one => clock.GetElapsedTime(one.Value) > patience).Select(static one => one.Key).ToArray())
            {
                _chosen.Remove(lost);
            }
        }

        var room = target - _chosen.Count;
        if (room <= 0)
        {
            return true;
        }

        var turns = ready.Take(room);
        Choice? choice = null;
        var fed = false;
        try
        {
            choice = await leases.ChooseAsync(turns, [.. _chosen.Keys], cancellationToken);
            fed = choice.Tasks.Count == 0 || await stream.AddAsync(choice.Tasks);
        }
        finally
        {
            var looked = fed ? choice!.Agents.ToDictionary(static one => one.Agent) : [];
            foreach (var turn in turns)
            {
                // Not fed: nothing started, everybody stays in line.
                ready.GiveBack(looked.TryGetValue(turn.Agent, out var one) ? one : new Looked(turn.Agent, 0, More: true, Share: null));
            }
        }

        if (fed)
        {
            var now = clock.GetTimestamp();
            foreach (var gone in _chosen.Keys.Except(choice.Still).ToArray())
            {
                _chosen.Remove(gone);
            }

            foreach (var task in choice.Tasks)
            {
                _chosen[task] = now;
            }

            if (choice.Tasks.Count > 0)
            {
                _fedAt = now;
                doorbell.Ring(Doorbell.Work, Doorbell.Everything);
            }
        }

        return fed;
    }

    [LoggerMessage(LogLevel.Warning, "The stream cannot be used: claims go straight to Postgres until it can")]
    private partial void LogAway();

    [LoggerMessage(LogLevel.Information, "The stream is used again")]
    private partial void LogBack();
}
