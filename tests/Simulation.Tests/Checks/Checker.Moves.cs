using Townhall.Contracts.Agents;
using Townhall.Contracts.Tasks;
using Townhall.Simulation.Store;

namespace Townhall.Simulation.Checks;

/// <content>What may have happened to a row between two looks.</content>
internal sealed partial class Checker
{
    /// <summary>A reading is at most 5 s old when it is given, by a clock that is 1 % wrong; it took 2 s at most.</summary>
    private static readonly TimeSpan ReadingAgeMost = TimeSpan.FromSeconds(8);
    private readonly Queue<(long At, int Running)> _busy = new();
    private readonly HashSet<Guid> _wishes = [];

    /// <summary>Somebody asks for a task to be cancelled.</summary>
    public void Wished(Guid id) => _wishes.Add(id);

    /// <summary>Remembers how much was running, as far back as a reading may reach.</summary>
    private void RememberBusy()
    {
        _busy.Enqueue((world.Now, _running.Values.Sum()));

        // The last one before the window counts: it was so when the window began.
        while (_busy.Count > 1 && _busy.ElementAt(1).At < world.Now - ReadingAgeMost.Ticks)
        {
            _busy.Dequeue();
        }
    }

    /// <summary>[31] [32] A recommendation below what has been busy all the time since it can have been read.</summary>
    public void Recommended(int workers)
    {
        var busy = _busy.Count == 0 ? 0 : _busy.Min(static one => one.Running);
        var least = Math.Min(town.MaxWorkers, (busy + town.WorkerSlots - 1) / town.WorkerSlots);
        if (workers < least)
        {
            world.Fail($"[31] {workers} workers are recommended while at least {least} have been busy for {ReadingAgeMost.TotalSeconds} s");
        }

        if (workers > town.MaxWorkers)
        {
            world.Fail($"[32] {workers} workers are recommended, {town.MaxWorkers} allowed");
        }
    }

    /// <returns>1 when the attempt was released.</returns>
    private int Compare(TaskRow row, Seen before)
    {
        if (row.CancelRequested && !before.Cancelled)
        {
            _entries++;
        }

        if (row.Attempt != before.Attempt || (row.State == TaskState.Running && before.State != TaskState.Running))
        {
            Leased(row, before);
            return 0;
        }

        if (row.State == TaskState.Running)
        {
            // Nobody but its own worker prolongs a lease, and that never shortens it; a death that was seen ends it at once.
            _given[(row.Id, row.Attempt)].Until = row.LeaseUntil!.Value;
            if (row.LeaseToken != before.Token || row.LeaseWorker != before.Worker)
            {
                world.Fail("[8] a lease changed hands without a new epoch");
            }

            return 0;
        }

        if (row.Crashes != before.Crashes || (before.State == TaskState.Running && before.LeaseUntil is not null && row.LeaseToken is not null))
        {
            _entries++;
            if (before.State != TaskState.Running || before.LeaseUntil >= world.Now || row.Crashes != before.Crashes + 1)
            {
                world.Fail("[8] [13] a lease was taken away before it had ended, or its end was not counted");
            }

            return 0;
        }

        if (row.Failures != before.Failures)
        {
            _entries++;
            if (row.Failures != before.Failures + 1 || row.Failures >= row.MaxAttempts)
            {
                world.Fail("[14] a task is tried more often than allowed");
            }

            return 0;
        }

        if (before.State == TaskState.Running || (before.Token is not null && row.LeaseToken is null))
        {
            _entries++;
            return 1;
        }

        if (row.Due && !before.Due && world.Now < before.AvailableAt)
        {
            world.Fail("[15] delayed work became due before its time");
        }

        return 0;
    }

    private void Leased(TaskRow row, Seen before)
    {
        _entries += row.Agent.Runtime == Runtimes.Noop ? 0 : 1;
        if (row.Attempt != before.Attempt + 1)
        {
            world.Fail($"[7] the epoch went from {before.Attempt} to {row.Attempt}");
        }

        if (before.State != TaskState.Assigned || !before.Due)
        {
            world.Fail("[8] a task was leased that was not waiting for it");
        }

        if (work.Plans[row.Id].NotBefore > world.Now || before.AvailableAt > world.Now)
        {
            world.Fail("[15] delayed work started before its time");
        }

        if (work.Plans[row.Id].Deadline <= world.Now)
        {
            world.Fail("[15] work started after its deadline");
        }

        if (before.Cancelled)
        {
            world.Fail("[16] a cancelled task started");
        }

        if (!row.Agent.IsActive)
        {
            world.Fail("[17] a task of a paused agent started");
        }

        if (tables.Workers[row.LeaseWorker!.Value].State != "active")
        {
            world.Fail("[30] a worker that may get nothing more was given a lease");
        }

        if (row.Attempt > row.MaxAttempts + TaskLimits.Crashes + Math.Min(before.Releases, TaskLimits.Releases))
        {
            world.Fail($"[14] attempt {row.Attempt} of {row.MaxAttempts}, after {before.Releases} releases");
        }

        if (!_given.TryAdd((row.Id, row.Attempt), new(row.LeaseToken!.Value, row.LeaseWorker.Value, row.LeaseUntil!.Value)))
        {
            world.Fail("[7] an epoch was given twice");
        }
    }

    private void Ended(Guid id, Seen before)
    {
        _entries++;
        if (!tables.History.TryGetValue(id, out var row))
        {
            world.Fail("[1] a task has vanished");
            return;
        }

        if (!_ended.TryAdd(id, row))
        {
            world.Fail("[5] a task ended twice");
        }

        _endedIn[(int)row.State]++;
        if (row.Reported is var (epoch, token, worker))
        {
            // [6] The result is the current attempt's own.
            if (epoch != before.Attempt || !_given.TryGetValue((id, epoch), out var given) || given.Token != token || given.Worker != worker)
            {
                world.Fail("[6] a result was recorded that is not of the current attempt");
            }
        }
        else if (row.State == TaskState.Completed || (row.State == TaskState.Failed && !(work.Plans[id].Deadline <= world.Now)))
        {
            world.Fail("[6] a task ended with a result that nobody reported");
        }

        if (row.State == TaskState.Dead && row.Reported is not null)
        {
            if (before.Releases < TaskLimits.Releases)
            {
                world.Fail($"[13] a task was buried after {before.Releases} releases");
            }
        }
        else if (row.State == TaskState.Dead && (before.LeaseUntil >= world.Now || row.Crashes != TaskLimits.Crashes || before.State != TaskState.Running))
        {
            world.Fail("[13] a task was buried too early or too late");
        }

        if (row.State == TaskState.Cancelled && !_wishes.Contains(id))
        {
            world.Fail("[16] a task was cancelled that nobody cancelled");
        }
    }
}
