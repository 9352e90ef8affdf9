using System.Collections.Concurrent;
using Townhall.Contracts.Workers;
using Townhall.Worker.Leasing;

namespace Townhall.Worker.Directives;

/// <summary>What this worker did about directives: the next poll says it, and the dispatcher stops repeating them.</summary>
/// <remarks>The work loop writes, the poll reads. What a lost call did not say is said by the next one.</remarks>
internal sealed class Heeded
{
    private readonly ConcurrentDictionary<AttemptKey, bool> _paused = [];
    private readonly ConcurrentDictionary<long, SteeringTaken> _steered = [];

    /// <summary>The attempt stands still, or goes on.</summary>
    public void Paused(AttemptKey attempt, bool paused)
    {
        if (paused)
        {
            _paused[attempt] = true;
        }
        else
        {
            _paused.TryRemove(attempt, out _);
        }
    }

    /// <summary>A note was given to its attempt, or could not be.</summary>
    public void Steered(SteeringTaken taken) => _steered[taken.Id] = taken;

    /// <summary>A poll that says all of it.</summary>
    public DirectivesRequest Ask(int waitMs) => new(
        Guid.CreateVersion7(), waitMs,
        _paused.IsEmpty ? null : [.. _paused.Keys.Select(static attempt => attempt.TaskId)],
        _steered.IsEmpty ? null : [.. _steered.Values]);

    /// <summary>The dispatcher has heard this poll.</summary>
    public void Heard(DirectivesRequest request)
    {
        foreach (var taken in request.Steered ?? [])
        {
            _steered.TryRemove(new(taken.Id, taken));
        }
    }
}
