using Townhall.Contracts.Workers;
using Townhall.Worker.Leasing;
using Townhall.Worker.Runtimes.Command;

namespace Townhall.Worker.Runtimes;

/// <summary>The shapes of what an attempt can report.</summary>
internal static class Results
{
    public const string InProcess = "in-process";
    public const string NoSandbox = "none";
    private const int DetailBytes = 4096;

    /// <summary>The attempt ended before, or instead of, doing its work.</summary>
    public static AttemptResult Failed(Attempt attempt, string code, string detail, string sandbox) =>
        new(attempt.Reference, AttemptOutcomes.Failed, null, null, null, 0, code, Detail(detail), sandbox, attempt.Ran.TotalMilliseconds, 0);

    /// <summary>A sentence for people, short enough and clean enough to be stored.</summary>
    public static string? Detail(string? text) => text is null ? null : ResultText.Cut(text.Replace('\0', '\ufffd'), DetailBytes);

    /// <summary>A lease given back unused: not the task's fault, so not counted.</summary>
    public static AttemptResult Released(LeaseRef lease) =>
        new(lease, AttemptOutcomes.Released, null, null, null, 0, null, null, NoSandbox, 0, 0);
}
