namespace Aspire.Hosting.Running;

/// <summary>The host cannot run here and now; the message is the one line a person needs. Exit codes are those of sysexits(3).</summary>
internal sealed class HostRefusedException(string message, int exitCode) : Exception(message)
{
    /// <summary>Something on this machine is missing.</summary>
    public const int Unavailable = 69;

    /// <summary>Another host has the data directory, or it cannot be written.</summary>
    public const int CannotCreate = 73;

    /// <summary>A setting cannot be used.</summary>
    public const int Configuration = 78;

    public int ExitCode { get; } = exitCode;
}
