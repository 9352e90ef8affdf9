namespace Townhall.Worker.Lifetime;

/// <summary>What the exit code of a worker says (numbers as in sysexits.h).</summary>
internal static class ExitCodes
{
    /// <summary>Drained, stopped, or its host is gone: nobody misses it.</summary>
    public const int Done = 0;

    /// <summary>The dispatcher did not answer for a minute: starting again may help.</summary>
    public const int Unreachable = 75;

    /// <summary>The dispatcher refused the worker key.</summary>
    public const int KeyRefused = 77;

    /// <summary>Settings are missing or wrong: starting again will not help.</summary>
    public const int BadSettings = 78;
}
