using Townhall.Contracts.Workers;
using Townhall.Worker.Leasing;

namespace Townhall.Worker.Runtimes;

/// <summary>The shapes of what an attempt can report.</summary>
internal static class Results
{
    public const string InProcess = "in-process";
    public const string NoSandbox = "none";

    /// <summary>The attempt ended before, or instead of, doing its work.</summary>
    public static AttemptResult Failed(Attempt attempt, string code, string detail, string sandbox) =>
        new(attempt.Reference, AttemptOutcomes.Failed, null, null, null, 0, code, detail, sandbox, attempt.Ran.TotalMilliseconds, 0);

    /// <summary>A lease given back unused: not the task's fault, so not counted.</summary>
    public static AttemptResult Released(LeaseRef lease) =>
        new(lease, AttemptOutcomes.Released, null, null, null, 0, null, null, NoSandbox, 0, 0);
}
