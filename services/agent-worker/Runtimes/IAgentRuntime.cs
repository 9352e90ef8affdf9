using Townhall.Contracts.Workers;
using Townhall.Worker.Leasing;

namespace Townhall.Worker.Runtimes;

/// <summary>Executes attempts of one kind.</summary>
internal interface IAgentRuntime
{
    /// <summary>True when its attempts are processes, which can be frozen and killed; false when they end at once.</summary>
    bool HasProcess { get; }

    /// <summary>
    /// Runs an attempt to its end and leaves nothing of it behind. Failing is a result; so is being told to end.
    /// </summary>
    ValueTask<AttemptResult> RunAsync(Attempt attempt);
}
