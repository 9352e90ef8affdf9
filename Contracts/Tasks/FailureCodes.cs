namespace Townhall.Contracts.Tasks;

/// <summary>Why an attempt failed, as <c>failure_code</c> of a task. Codes are permanent; wording is not.</summary>
public static class FailureCodes
{
    /// <summary>The command ended with an exit code other than 0.</summary>
    public const string ExitCode = "exit_code";

    /// <summary>The command was ended by a signal that was not ours.</summary>
    public const string Signal = "signal";

    /// <summary>The program of the command line is not on this worker.</summary>
    public const string ProgramNotFound = "program_not_found";

    /// <summary>The command line cannot be split into an argument vector.</summary>
    public const string BadCommandLine = "bad_command_line";

    /// <summary>The attempt took longer than its timeout; its process tree was ended.</summary>
    public const string TimedOut = "timed_out";

    /// <summary>The attempt was refused: the agent's policy demands a sandbox and this worker has none.</summary>
    public const string SandboxUnavailable = "sandbox_unavailable";

    /// <summary>The work folder could not be made or the program could not be started.</summary>
    public const string StartFailed = "start_failed";

    /// <summary>The task was withdrawn while it ran.</summary>
    public const string Cancelled = "cancelled";

    /// <summary>Its deadline passed before it ended; waiting work is not started, a running attempt is ended.</summary>
    public const string DeadlineExceeded = "deadline_exceeded";

    /// <summary>The leases of all its attempts ran out without an answer.</summary>
    public const string WorkersLost = "workers_lost";

    /// <summary>Workers gave it back more often than <see cref="TaskLimits.Releases"/> times.</summary>
    public const string ReleasedTooOften = "released_too_often";

    /// <summary>No worker knows this runtime.</summary>
    public const string UnknownRuntime = "unknown_runtime";
}
