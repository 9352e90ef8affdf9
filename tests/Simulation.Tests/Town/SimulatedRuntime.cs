using Townhall.Contracts.Workers;
using Townhall.Simulation.Checks;
using Townhall.Simulation.Loop;
using Townhall.Worker.Leasing;
using Townhall.Worker.Runtimes;

namespace Townhall.Simulation.Town;

/// <summary>What a task will do when it runs.</summary>
/// <param name="Kills">Its attempts kill the worker that runs them.</param>
internal sealed record WorkPlan(Guid Id, Guid Agent, int Priority, int MaxAttempts, long? NotBefore, long? Deadline, TimeSpan Takes, double Fails, bool Kills);

/// <summary>All work that was ever offered.</summary>
internal sealed class Work
{
    public Dictionary<Guid, WorkPlan> Plans { get; } = [];
}

/// <summary>Commands without processes: they take a while, stand still while their attempt is frozen, fail at times, and end when told to.</summary>
internal sealed class SimulatedRuntime(World world, SimulatedWorker worker, Work work, Checker checker) : IAgentRuntime
{
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(100);

    public bool HasProcess => true;

    public async ValueTask<AttemptResult> RunAsync(Attempt attempt)
    {
        var plan = work.Plans[attempt.Lease.TaskId];
        checker.Began(worker, attempt);
        var ended = new TaskCompletionSource<string>();
        if (plan.Kills)
        {
            world.At(world.Between(0.001, 0.3), "killed by its task", worker.Kill, worker);
        }

        var outcome = world.Chance(plan.Fails) ? AttemptOutcomes.Failed : AttemptOutcomes.Completed;
        void Finish()
        {
            if (ended.Task.IsCompleted)
            {
                return;
            }

            if (attempt.IsFrozen)
            {
                world.Quietly(LookAgain, Finish, worker);
            }
            else
            {
                ended.TrySetResult(outcome);
            }
        }

        world.At(plan.Takes, "command ends", Finish, worker);

        // Told to end: its processes are killed, which takes a moment.
        await using var told = attempt.Ending.Register(() => world.At(world.Between(0.001, 0.2), "command is killed", () => ended.TrySetResult(
            attempt.Reason is EndReason.Cancelled ? AttemptOutcomes.Cancelled : AttemptOutcomes.Released), worker));
        var result = await ended.Task;
        checker.Finished(attempt);
        return new(
            attempt.Reference, result, result == AttemptOutcomes.Completed ? 0 : null, null, null, 0,
            result == AttemptOutcomes.Failed ? "exit_code" : null, null, Results.NoSandbox, attempt.Ran.TotalMilliseconds, 0);
    }
}
