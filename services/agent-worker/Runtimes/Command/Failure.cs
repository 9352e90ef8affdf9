using System.Globalization;
using Townhall.Contracts.Tasks;
using Townhall.Contracts.Workers;
using Townhall.Worker.Processes;
using Townhall.Worker.Sandbox;

namespace Townhall.Worker.Runtimes.Command;

/// <summary>Why a command stopped running.</summary>
internal enum Ending
{
    ByItself,
    TimedOut,
    Told,
}

/// <summary>Gives the end of a command its failure code.</summary>
internal static class Failure
{
    private const int LastSignal = 64;

    /// <returns>Null for success; otherwise the code and a sentence for people.</returns>
    public static (string? Code, string? Detail) Of(Lease lease, Ending ending, ExitStatus status, bool ran, ISandbox sandbox, string printed)
    {
        if (ending == Ending.TimedOut)
        {
            return (FailureCodes.TimedOut, string.Create(CultureInfo.InvariantCulture, $"It ran longer than {lease.TimeoutSecs} s."));
        }

        if (!ran)
        {
            return (FailureCodes.StartFailed, $"The sandbox could not start it: {LastLine(printed)}");
        }

        // A sandbox hands a signal on as 128 + number, like a shell; from a code alone the two cannot be told apart.
        var signal = status.Signal ?? (sandbox.Shape == TreeShape.Namespace && status.Code is > 128 and <= 128 + LastSignal ? status.Code - 128 : null);
        return (signal, status.Code) switch
        {
            ({ } number, _) => (FailureCodes.Signal, string.Create(CultureInfo.InvariantCulture, $"It was ended by signal {number}.")),
            (_, 0) => (null, null),
            var (_, code) => (FailureCodes.ExitCode, string.Create(CultureInfo.InvariantCulture, $"It ended with exit code {code}.")),
        };
    }

    private static string LastLine(string printed) =>
        printed.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).LastOrDefault() ?? "it says nothing";
}
