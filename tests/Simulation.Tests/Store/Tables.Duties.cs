using Townhall.Contracts.Tasks;
using Townhall.Contracts.Workers;
using Townhall.Dispatcher.Duties;
using Townhall.Scaler.Demand;
using Townhall.Simulation.Loop;

namespace Townhall.Simulation.Store;

/// <content>ReaperStore, Leadership, WorkerStore, worker_ended and DemandStore.</content>
internal sealed partial class Tables
{
    private static readonly TimeSpan Term = TimeSpan.FromSeconds(6);
    private static readonly TimeSpan SilenceOfDemand = TimeSpan.FromSeconds(120);

    /// <returns>The epoch in which the holder leads, or 0.</returns>
    public long Lead(Guid holder)
    {
        if (Leader.Holder != holder && Leader.Until >= world.Now)
        {
            return 0;
        }

        Leader.Epoch += Leader.Holder == holder ? 0 : 1;
        (Leader.Holder, Leader.Until) = (holder, world.Now + Term.Ticks);
        return Leader.Epoch;
    }

    public bool Begin(long epoch, bool broken)
    {
        if (Leader.Epoch != epoch)
        {
            return false;
        }

        if (broken || Leader.TurnedAt is not { } turned || world.Now - turned > ReaperStore.Gap(town).Ticks)
        {
            Leader.HoldUntil = world.Now + town.LeaseOf("").Ticks;
        }

        Leader.TurnedAt = world.Now;
        return Leader.HoldUntil is null || Leader.HoldUntil <= world.Now;
    }

    public IReadOnlyList<Guid> Expire()
    {
        Version++;
        var early = mutation == Mutation.ExpireEarly ? TimeSpan.TicksPerSecond : 0;
        var gone = Tasks.Values.Where(task => task.State == TaskState.Running && task.LeaseUntil < world.Now + early).ToList();
        foreach (var task in gone)
        {
            task.Agent.Running--;
            task.Crashes += mutation == Mutation.CrashesForgotten ? 0 : 1;
            Entries++;
            _counts[(int)TaskState.Running]--;
            if (task.CancelRequested || task.Crashes >= TaskLimits.Crashes)
            {
                End(task, task.IsLate ? TaskEvent.Expire : task.CancelRequested ? TaskEvent.Cancel : TaskEvent.Bury, reported: null);
            }
            else
            {
                Move(task, TaskEvent.Lose);
                (task.LeaseUntil, task.Due, task.AvailableAt) = (null, true, world.Now);
            }

            _counts[(int)task.State]++;
        }

        return [.. gone.Select(static task => task.Agent.Id)];
    }

    /// <summary>Function <c>expire_deadlines</c>.</summary>
    /// <returns>How many were ended or withdrawn.</returns>
    public int ExpireDeadlines()
    {
        var late = Tasks.Values.Where(task => task.Deadline <= world.Now && (task.State != TaskState.Running || !task.CancelRequested)).ToList();
        Version += late.Count > 0 ? 1 : 0;
        foreach (var task in late)
        {
            Entries++;
            if (task.State == TaskState.Running)
            {
                (task.CancelRequested, task.IsLate) = (true, true);
                continue;
            }

            _counts[(int)task.State]--;
            End(task, TaskEvent.Expire, reported: null);
            _counts[(int)task.State]++;
        }

        return late.Count;
    }

    /// <summary>One that a drain holds is spared until the next turn: it was heard of just now.</summary>
    public int LoseSilent()
    {
        Version++;
        var silence = (town.LeaseOf("") * 2).Ticks;
        var silent = Live.Where(worker => worker.LockedBy is null && worker.SeenAt < world.Now - silence && Held(worker.Id).Length == 0).ToList();
        silent.ForEach(worker => Leave(worker, "lost"));
        return silent.Count;
    }

    public IReadOnlyList<Guid> Sweep()
    {
        Version++;
        var early = mutation == Mutation.PromoteEarly ? TimeSpan.TicksPerSecond : 0;
        foreach (var task in Tasks.Values)
        {
            task.Due |= task.State == TaskState.Assigned && task.AvailableAt <= world.Now + early;
        }

        return mutation == Mutation.SweepForgotten ? [] : [.. Ready(null).Select(static ready => ready.Agent.Id)];
    }

    public bool Register(Guid incarnation, int pid, string[] runtimes, int slots, string token)
    {
        Version++;
        if (!Workers.TryGetValue(incarnation, out var worker))
        {
            Workers.Add(incarnation, worker = new(incarnation, pid, runtimes, slots));
            Live.Add(worker);
        }
        else if (worker.State != "active")
        {
            return false;
        }

        (worker.Token, worker.SeenAt) = (token, world.Now);
        return true;
    }

    public void Touch(Guid id)
    {
        if (Workers.TryGetValue(id, out var worker) && worker.IsLive)
        {
            worker.SeenAt = world.Now;
        }
    }

    public LeaseRef[] Held(Guid worker) =>
        [.. Tasks.Values.Where(task => task.State == TaskState.Running && task.LeaseWorker == worker)
            .Select(static task => new LeaseRef(task.Id, task.Attempt, task.LeaseToken!.Value))];

    public void MoveWorker(WorkerRow worker, string state)
    {
        Version++;
        worker.SeenAt = world.Now;
        if (state == "drained")
        {
            Leave(worker, state);
        }
        else
        {
            worker.State = state;
        }
    }

    /// <summary>Function <c>worker_ended</c>.</summary>
    public bool Ended(Guid id)
    {
        Version++;
        if (!Workers.TryGetValue(id, out var worker) || !worker.IsLive)
        {
            return false;
        }

        Leave(worker, "lost");
        foreach (var task in Tasks.Values.Where(task => task.State == TaskState.Running && task.LeaseWorker == id))
        {
            task.LeaseUntil = Math.Min(task.LeaseUntil!.Value, world.Now);
        }

        return true;
    }

    public TownDemand Demand()
    {
        var live = Live.Where(worker => worker.SeenAt > world.Now - SilenceOfDemand.Ticks
            || Tasks.Values.Any(task => task.State == TaskState.Running && task.LeaseWorker == worker.Id && task.LeaseUntil > world.Now)).ToList();
        var draining = live.Where(static worker => worker.State == "draining").ToList();
        var startable = Ready(null).Sum(static ready => ready.Startable);
        return new(
            ProcessClock.Date(world.Now), _counts[(int)TaskState.Pending], _counts[(int)TaskState.Assigned], _counts[(int)TaskState.Running], startable,
            startable > 0 ? 0 : null, live.Count - draining.Count, draining.Count, draining.Sum(worker => Held(worker.Id).Length));
    }

    public AgentCounts AgentCounts() => new(Agents.Values.LongCount(static agent => agent.Running > 0), 0) { All = Agents.Count };

    private void Leave(WorkerRow worker, string state)
    {
        worker.State = state;
        Live.Remove(worker);
    }
}
