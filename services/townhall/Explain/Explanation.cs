using System.Globalization;

namespace Townhall.Api.Explain;

/// <summary><c>GET /v1/tasks/{id}/explain</c>.</summary>
/// <param name="Waiting">True while the task is neither running nor ended.</param>
/// <param name="Since">Since when it is as it is.</param>
/// <param name="Position">Due tasks of its agent that start before it, counted up to 10,000.</param>
/// <param name="Reasons">What decides first comes first; never empty.</param>
internal sealed record ExplanationView(
    Guid TaskId, string State, bool Waiting, DateTime Since, long Position, IReadOnlyList<Reason> Reasons);

/// <param name="Code">Permanent word from docs/explain.md.</param>
/// <param name="Since">Since when it holds, where that is known.</param>
/// <param name="ChangesWhen">What would change it.</param>
/// <param name="At">When it changes by itself, where that is known.</param>
/// <param name="Tasks">The tasks that hold what this one waits for, at most ten.</param>
internal sealed record Reason(
    string Code, string Detail, DateTime? Since = null, string? ChangesWhen = null, DateTime? At = null, Guid[]? Tasks = null);

/// <summary>Says in words and codes what the facts mean. Asks in the order in which a start is decided.</summary>
internal static class Explanations
{
    public static ExplanationView Of(Guid task, TaskFacts facts, int workersMost)
    {
        List<Reason> reasons = facts.State switch
        {
            "running" => [Running(facts)],
            "pending" => [.. Backlog(facts)],
            "waiting" => [new("waiting", "It waits for a person or for another task.", null, "That answer comes.")],
            "assigned" => [.. Waiting(facts, workersMost)],
            _ => [new("ended", $"It ended as {facts.State} and never changes again.", facts.EndedAt)],
        };
        if (reasons is [])
        {
            reasons.Add(new("startable", "Nothing holds it back: the next worker that asks gets it.", null, "A worker asks, usually within a second."));
        }

        var waits = facts.State is "assigned" or "pending" or "waiting";
        var since = facts.State switch
        {
            "running" => facts.LeasedAt ?? facts.CreatedAt,
            "assigned" when facts.Attempt > 0 => facts.AvailableAt < facts.Now ? facts.AvailableAt : facts.LeasedAt ?? facts.CreatedAt,
            _ => facts.EndedAt ?? facts.CreatedAt,
        };
        return new(task, facts.State, waits, since, facts.Position, reasons);
    }

    private static IEnumerable<Reason> Backlog(TaskFacts facts)
    {
        if (facts.AvailableAt > facts.Now)
        {
            yield return new("delayed", "Its time has not come.", facts.CreatedAt, "Its time comes.", facts.AvailableAt);
        }

        var role = facts.Lane.Length == 0 ? "generalists (agents without a role of their own)" : $"agents with the role {facts.Lane}";
        var who = facts.LaneActive == 0 ? "and none of them is active"
            : facts.LaneIdle == 0 ? Text($"and none of the {facts.LaneActive} that are active is idle")
            : Text($"and {facts.LaneIdle} of the {facts.LaneActive} that are active could take it now");
        yield return new("backlog", $"It is in the backlog for {role}, {who}.", facts.CreatedAt, "One of them is idle, or somebody gives it to an agent.");
    }

    private static Reason Running(TaskFacts facts)
    {
        var where = Text($"Attempt {facts.Attempt} runs on worker {facts.WorkerName ?? "(unknown)"}");
        return facts.LeaseUntil < facts.Now
            ? new("lease_ran_out", $"{where}, which was not heard of for a whole lease.", facts.LeaseUntil, "It is offered again, or ends if it was lost too often: within seconds.")
            : facts.Withdrawn ? new("running", $"{where} and was told to end.", facts.LeasedAt, "Its worker has ended it.")
            : facts.AgentFrozen ? new("running", $"{where} and stands still, because its agent is frozen.", facts.LeasedAt, "The agent is resumed.")
            : new("running", $"{where}.", facts.LeasedAt, "It ends.");
    }

    private static IEnumerable<Reason> Waiting(TaskFacts facts, int workersMost) =>
        [.. Dispatcher(facts), .. Agent(facts), .. Time(facts), .. Keys(facts), .. Turn(facts), .. Workers(facts, workersMost)];

    private static IEnumerable<Reason> Dispatcher(TaskFacts facts)
    {
        if (facts.LedgerStoppedAt is { } stopped)
        {
            yield return new("ledger_stopped", "The town's ledger is not the one that was kept, so nothing is given to workers.", stopped,
                "Somebody who runs the town restores the ledger, or accepts it as it is (docs/ledger.md).");
        }
        else if (!(facts.DispatcherUntil >= facts.Now))
        {
            yield return new("no_dispatcher", "No dispatcher is there, so nothing is given to workers.", facts.DispatcherUntil, "A dispatcher starts; within seconds it takes over.");
        }
    }

    private static IEnumerable<Reason> Agent(TaskFacts facts)
    {
        var name = facts.AgentName;
        switch (facts.AgentControl)
        {
            case null:
                yield return new("agent_missing", "Its agent does not exist any more.", null, "It is reclaimed (POST /v1/reclaim/orphan-tasks).");
                break;
            case "paused":
                yield return new("agent_paused", $"Agent {name} is paused.", facts.AgentControlAt, "The agent is resumed.");
                break;
            case "draining":
                yield return new("agent_draining", $"Agent {name} is closing: it finishes what runs and starts nothing more.", facts.AgentControlAt,
                    "The task is reclaimed once the agent has stopped, or the agent is restarted then.");
                break;
            case "stopped" or "error":
                yield return new("agent_stopped", facts.AgentControl == "error" ? $"Agent {name} is in error." : $"Agent {name} is stopped.",
                    facts.AgentControlAt, "The agent is restarted, or the task is reclaimed.");
                break;
        }
    }

    private static IEnumerable<Reason> Time(TaskFacts facts)
    {
        if (facts.Deadline <= facts.Now)
        {
            yield return new("deadline_passed", "Its deadline is over: it is not started any more.", facts.Deadline, "It ends as failed, within a second.");
        }

        // What is not marked as due although its time has come will be within a second.
        if (facts.Due || facts.Parked is not null || facts.AvailableAt <= facts.Now)
        {
            yield break;
        }

        yield return facts.Failures > 0
            ? new("backing_off", Text($"Attempt {facts.Attempt} failed ({facts.LastError ?? "no reason given"}); the next one comes after a pause."),
                null, "The pause is over.", facts.AvailableAt)
            : new("delayed", "It is not to start before its time.", facts.CreatedAt, "Its time comes.", facts.AvailableAt);
    }

    private static IEnumerable<Reason> Keys(TaskFacts facts)
    {
        if (facts.ConcurrencyKey is { } key && (facts.Parked == "concurrency" || facts.KeyHeld >= facts.KeyMost))
        {
            yield return new("concurrency_key", Text($"{facts.KeyHeld} of {facts.KeyMost ?? 1} permits of the key {key} are in use."),
                facts.ParkedAt ?? Latest(facts.KeyHolders), "One of the tasks that hold the key ends, or its limit is raised.",
                null, Ids(facts.KeyHolders));
        }

        if (facts.RateKey is { } rateKey && facts is { Rate: { } rate, Tokens: { } tokens } && (facts.Parked == "rate" || tokens < 1))
        {
            // Others with the key may take that token first.
            var wait = TimeSpan.FromMinutes(Math.Max(0, 1 - tokens) / rate);
            yield return new("rate_key", Text($"The key {rateKey} allows {rate} starts a minute, and none is left."),
                facts.ParkedAt, "The next start is allowed.", facts.Now + (wait < TimeSpan.FromDays(365) ? wait : TimeSpan.FromDays(365)));
        }

        if (facts.Parked == "alone")
        {
            yield return new("needs_empty_worker", "Its workers were lost twice: it has its last chance on a worker that runs nothing else.",
                facts.AvailableAt, "A worker has nothing to do, or a minute has gone: then it starts beside what runs.");
        }

        if (facts.TownMost is { } most && facts.TownRunning >= most)
        {
            yield return new("town_limit", Text($"{facts.TownRunning} tasks run in the whole town, and {most} may."),
                facts.TownFullSince, "One of them ends, or the limit of the key town is raised.");
        }
    }

    private static IEnumerable<Reason> Turn(TaskFacts facts)
    {
        if (facts.AgentControl is not null && facts.AgentRunning >= facts.AgentMost)
        {
            yield return new("agent_busy", Text($"Agent {facts.AgentName} runs {facts.AgentRunning} of at most {facts.AgentMost} tasks at once."),
                Latest(facts.AgentHolders), "One of them ends, or max_concurrency is raised.", null, Ids(facts.AgentHolders));
        }

        if (facts.Position > 0)
        {
            var many = facts.Position >= ExplainStore.PositionMost ? "At least " : "";
            yield return new("behind_others", Text($"{many}{facts.Position} {(facts.Position == 1 ? "task of its agent starts" : "tasks of its agent start")} before it."),
                facts.AvailableAt < facts.Now ? facts.AvailableAt : null, "They have started.");
        }
    }

    private static IEnumerable<Reason> Workers(TaskFacts facts, int workersMost)
    {
        // Since it could have started, or since the last worker went, whichever is later.
        var due = facts.AvailableAt < facts.Now ? facts.AvailableAt : facts.CreatedAt;
        var alone = facts.LastWorkerEnd > due ? facts.LastWorkerEnd : due;
        if (facts is { WorkersFit: 0, WorkersDraining: > 0 })
        {
            yield return new("workers_draining", Text($"The workers that could run it are ending ({facts.WorkersDraining}) and take nothing new."),
                null, "Another worker registers.");
        }
        else if (facts is { WorkersFit: 0, WorkersSilent: > 0 })
        {
            yield return new("workers_silent", Text($"The workers that could run it ({facts.WorkersSilent}) were not heard of for a whole lease."),
                facts.WorkersSilentSince, "They are heard of again, or are declared lost after one more lease, and others are started.");
        }
        else if (facts.Workers == 0)
        {
            yield return new("no_worker", "No worker is registered.", alone, workersMost == 0
                ? "A worker registers. The scaler starts none: TOWN_MAX_WORKERS is 0."
                : Text($"A worker registers. The scaler starts up to {workersMost} (TOWN_MAX_WORKERS)."));
        }
        else if (facts is { WorkersFit: 0, Runtime: not null })
        {
            yield return new("no_worker_for_runtime", Text($"None of the {facts.Workers} workers offers the runtime {facts.Runtime}."),
                alone, "A worker that does registers.");
        }
        else if (facts is { FreeSlots: 0, Runtime: not null })
        {
            yield return new("workers_busy", Text($"All slots of the {facts.WorkersFit} workers that could run it are leased."),
                facts.WorkersBusySince, Text($"A slot becomes free, or another worker registers (at most {workersMost}, TOWN_MAX_WORKERS)."));
        }
    }

    private static DateTime? Latest(IReadOnlyList<Holder> holders) => holders is [] ? null : holders.Max(static holder => holder.LeasedAt);

    private static Guid[] Ids(IReadOnlyList<Holder> holders) => [.. holders.Select(static holder => holder.TaskId)];

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
