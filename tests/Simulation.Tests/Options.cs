namespace Townhall.Simulation;

/// <summary>Mistakes that a simulation can be told to make, to prove that its checks see them.</summary>
internal enum Mutation
{
    None,

    /// <summary>A result is taken for a task, whoever's attempt it is.</summary>
    SettleWithoutEpoch,

    /// <summary>A drain decides by what it saw before it held the worker's lock.</summary>
    DrainWithoutRecheck,

    /// <summary>A claim does not look whether its worker may still lease.</summary>
    ClaimForAnyWorker,

    /// <summary>A claim does not look at the agent's limit.</summary>
    ClaimBeyondLimit,

    /// <summary>A claim keeps the epoch of the attempt before.</summary>
    ClaimKeepsEpoch,

    /// <summary>The reaper expires leases that have a second left.</summary>
    ExpireEarly,

    /// <summary>Delayed work becomes due a second early.</summary>
    PromoteEarly,

    /// <summary>A claim does not look at deadlines.</summary>
    ClaimPastDeadline,

    /// <summary>A cancelled task that waits stays where it is.</summary>
    CancelForgotten,

    /// <summary>Crashes are not counted.</summary>
    CrashesForgotten,

    /// <summary>A release gives no slot of its agent back.</summary>
    SlotForgotten,

    /// <summary>A retry writes no ledger entry.</summary>
    EntryForgotten,

    /// <summary>Nobody looks for what no ring announced.</summary>
    SweepForgotten,

    /// <summary>The scaler acts when what is wanted changes, not when what is there differs from it.</summary>
    ScalerEdgeTriggered,

    /// <summary>A demand that cannot be read is read as none.</summary>
    UnknownIsZero,
}

/// <summary>What one run is made of; all of it follows from the seed.</summary>
/// <param name="Seed">Replays the run.</param>
/// <param name="Steps">Steps with faults and new work; then the faults end and the town must come to rest.</param>
/// <param name="Cycles">Nothing fails; idle workers leave, others are told to stop, and short work comes just then.</param>
internal sealed record SimulationOptions(int Seed, int Steps = 2_500, Mutation Mutation = Mutation.None, bool Cycles = false);
