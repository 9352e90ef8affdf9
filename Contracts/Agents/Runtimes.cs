namespace Townhall.Contracts.Agents;

/// <summary>What can execute a task. A worker says at registration which of them it offers.</summary>
public static class Runtimes
{
    /// <summary>A command line in a process tree of its own.</summary>
    public const string Command = "command";

    /// <summary>Ends at once with the task's text as its result; for measuring and for testing a deployment.</summary>
    public const string Noop = "noop";

    /// <summary>The runtime that a <c>cli</c> selects: <c>noop</c> is itself, everything else is a command.</summary>
    public static string Of(string cli) => cli == Noop ? Noop : Command;
}

/// <summary>How far an agent is trusted; it decides what sandbox its commands need.</summary>
public static class TrustLevels
{
    public const string Untrusted = "untrusted";
    public const string Sandboxed = "sandboxed";
    public const string Trusted = "trusted";
    public const string Privileged = "privileged";

    /// <summary>True when a command of such an agent never runs without a sandbox.</summary>
    public static bool RequiresSandbox(string level) => level is not (Trusted or Privileged);
}
