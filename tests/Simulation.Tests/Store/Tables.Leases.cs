using Townhall.Contracts.Tasks;
using Townhall.Contracts.Workers;
using Townhall.Dispatcher.Leases;
using Townhall.Dispatcher.Settling;

namespace Townhall.Simulation.Store;

/// <content>LeaseStore and SettleStore: giving, keeping and ending leases.</content>
internal sealed partial class Tables
{
    private const double SkippedLocked = 0.02;
    private static readonly TimeSpan BackOffMost = TimeSpan.FromMinutes(5);

    public Claim Claim(Guid worker, Guid request, string[] runtimes, Turn[] turns, int limit)
    {
        Version++;
        var looks = new Dictionary<Guid, (int Found, int Free)>();
        var found = new List<(TaskRow Task, int Nth, int Turn)>();
        var mayTake = mutation == Mutation.ClaimForAnyWorker || Workers[worker].State == "active";
        for (var turn = 0; turn < turns.Length && mayTake; turn++)
        {
            var agent = Agents[turns[turn].Agent];
            var limited = mutation == Mutation.ClaimBeyondLimit ? int.MaxValue : agent.MaxConcurrency;

            // SKIP LOCKED: now and then somebody else is at the agent's row.
            if (!agent.IsActive || agent.Running >= limited || !runtimes.Contains(agent.Runtime) || world.Chance(SkippedLocked))
            {
                continue;
            }

            var free = Math.Min(limited - agent.Running, turns[turn].Quota);
            var due = Tasks.Values.Where(task => task.Agent == agent && Startable(task)
                && (task.Deadline is null || task.Deadline > world.Now || mutation == Mutation.ClaimPastDeadline)).ToList();
            due.Sort(Compare);
            due = due[..Math.Min(free, due.Count)];
            found.AddRange(due.Select((task, nth) => (task, nth, turn)));
            if (due.Count > 0)
            {
                looks[agent.Id] = (due.Count, free);
            }
        }

        var leases = new List<Lease>();
        var taken = new Dictionary<Guid, int>();
        foreach (var (task, _, _) in found.OrderBy(static one => one.Nth).ThenBy(static one => one.Turn).Take(limit))
        {
            leases.Add(Give(task, worker, request));
            taken[task.Agent.Id] = taken.GetValueOrDefault(task.Agent.Id) + 1;
        }

        return new(leases, [.. turns.Select(turn => Judge(turn.Agent))], TownFull: false);

        Looked Judge(Guid id)
        {
            var given = taken.GetValueOrDefault(id);
            var agent = Agents[id];
            return looks.TryGetValue(id, out var one)
                ? new(id, given, one.Found >= one.Free || given < one.Found, new(agent.Tenant, 1, agent.Weight, agent.MaxConcurrency))
                : new(id, given, More: false, Share: null);
        }
    }

    public Lease[] Repeat(Guid worker, Guid request) =>
        [.. Tasks.Values.Where(task => task.State == TaskState.Running && task.LeaseWorker == worker && task.LeaseRequest == request).Select(Read)];

    public RenewVerdict[] Renew(Guid worker, LeaseRef[] leases)
    {
        Version++;
        return Array.ConvertAll(leases, lease =>
        {
            if (!Tasks.TryGetValue(lease.TaskId, out var task) || task.State != TaskState.Running || task.Attempt != lease.Epoch
                || task.LeaseToken != lease.Token || task.LeaseWorker != worker)
            {
                return new RenewVerdict(lease.TaskId, lease.Epoch, Verdicts.Lost, 0);
            }

            task.LeaseUntil = world.Now + LeaseOf(task.Agent).Ticks;
            return new RenewVerdict(
                lease.TaskId, lease.Epoch, task.CancelRequested ? Verdicts.Cancel : Verdicts.Held, LeaseOf(task.Agent).TotalSeconds);
        });
    }

    public Directive[] Cancels(Guid worker) =>
        [.. Tasks.Values.Where(task => task.State == TaskState.Running && task.LeaseWorker == worker && task.CancelRequested)
            .Select(static task => new Directive(Verdicts.Cancel, task.Id, task.Attempt, Text: null))];

    public Settled[] Settle(IReadOnlyList<Ending> endings)
    {
        Version++;
        return [.. endings.Select(ending => Settle(ending.Worker.Value, ending.Result))];
    }

    private Settled Settle(Guid worker, AttemptResult result)
    {
        var lease = result.Lease;
        var hit = Tasks.TryGetValue(lease.TaskId, out var task)
            && (task.State == TaskState.Running || (task.State == TaskState.Assigned && result.Outcome != AttemptOutcomes.Released))
            && (mutation == Mutation.SettleWithoutEpoch
                || (task.Attempt == lease.Epoch && task.LeaseToken == lease.Token && task.LeaseWorker == worker));
        if (!hit)
        {
            return new(Classify(lease, task), Agent: null);
        }

        var was = task!.State;
        var move = result.Outcome switch
        {
            AttemptOutcomes.Completed => TaskEvent.Complete,
            AttemptOutcomes.Cancelled or AttemptOutcomes.Released when task.IsLate => TaskEvent.Fail,
            AttemptOutcomes.Cancelled => TaskEvent.Cancel,
            AttemptOutcomes.Released => task.CancelRequested ? TaskEvent.Cancel
                : task.Attempt - task.Failures - task.Crashes > TaskLimits.Releases ? TaskEvent.Bury : TaskEvent.Release,
            _ => task.Failures + 1 >= task.MaxAttempts || task.IsLate ? TaskEvent.Fail : task.CancelRequested ? TaskEvent.Cancel : TaskEvent.Retry,
        };
        var goesBack = move is TaskEvent.Retry or TaskEvent.Release;
        if (was == TaskState.Running && !(mutation == Mutation.SlotForgotten && move == TaskEvent.Release))
        {
            task.Agent.Running--;
        }

        if (!(mutation == Mutation.EntryForgotten && move == TaskEvent.Retry))
        {
            Entries++;
        }

        _counts[(int)was]--;
        if (!goesBack)
        {
            task.Failures += move == TaskEvent.Fail ? 1 : 0;
            End(task, move, (lease.Epoch, lease.Token, worker));
            _counts[(int)task.State]++;
            return new(Verdicts.Recorded, task.Agent.Id);
        }

        var bound = Math.Min(BackOffMost.Ticks, TimeSpan.TicksPerSecond * Math.Pow(2, Math.Min(task.Failures, 20)));
        Move(task, move);
        (task.LeaseUntil, task.LeaseToken, task.SettledToken) = (null, null, lease.Token);
        task.Due = move == TaskEvent.Release;
        task.AvailableAt = world.Now + (move == TaskEvent.Release ? 0 : (long)(world.Random.NextDouble() * bound));
        task.Failures += move == TaskEvent.Retry ? 1 : 0;
        _counts[(int)TaskState.Assigned]++;
        return new(move == TaskEvent.Retry ? Verdicts.Retrying : Verdicts.Released, task.Agent.Id);
    }

    /// <summary>A repeat of what was recorded, or a result that came too late; its entry (<c>ResultRefused</c>) is no change of state.</summary>
    private string Classify(LeaseRef lease, TaskRow? task) =>
        History.TryGetValue(lease.TaskId, out var ended) && ended.Attempt == lease.Epoch && ended.LeaseToken == lease.Token ? Verdicts.Recorded
        : task is not null && task.SettledToken == lease.Token ? Verdicts.Retrying
        : Verdicts.Stale;

    private Lease Give(TaskRow task, Guid worker, Guid request)
    {
        Move(task, TaskEvent.Lease);
        task.Attempt += mutation == Mutation.ClaimKeepsEpoch && task.Attempt > 0 ? 0 : 1;
        (task.LeaseToken, task.LeaseWorker, task.LeaseRequest) = (world.NewId(), worker, request);
        task.LeaseUntil = world.Now + LeaseOf(task.Agent).Ticks;
        task.Agent.Running++;
        _counts[(int)TaskState.Assigned]--;
        _counts[(int)TaskState.Running]++;
        Entries += task.Agent.Runtime == Contracts.Agents.Runtimes.Noop ? 0 : 1;
        return Read(task);
    }

    private Lease Read(TaskRow task) => new(
        task.Id, task.Attempt, task.LeaseToken!.Value, task.Agent.Id, "agent", task.Agent.Runtime, "sh", "work",
        LeaseOf(task.Agent).TotalSeconds, null, Contracts.Agents.TrustLevels.Trusted, AgentGrant.None);
}
