namespace Townhall.Cli.Invoking;

/// <summary>What a script can tell from how <c>tt</c> ended (docs/cli.md).</summary>
internal static class ExitCodes
{
    public const int Ok = 0;

    /// <summary>The town refused, or the work did not end well.</summary>
    public const int Failed = 1;

    /// <summary>The command line, or a file it names, is wrong; nothing was asked of the town, or it could not be understood.</summary>
    public const int Usage = 2;

    public const int NotFound = 3;

    /// <summary>The town does not know who asks, or does not let them.</summary>
    public const int Auth = 4;

    /// <summary>It stands against what is there already: a taken name, an ended task.</summary>
    public const int Conflict = 5;

    /// <summary>It did not happen in time; whether it still will is said beside it.</summary>
    public const int Timeout = 8;

    /// <summary>No town answers, or a part of it that is needed does not.</summary>
    public const int Unreachable = 9;

    /// <summary>128 and SIGINT, as shells count.</summary>
    public const int Interrupted = 130;
}
