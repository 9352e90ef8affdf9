using System.Globalization;

namespace Townhall.Worker.Sandbox;

/// <summary>What every command gets, with a sandbox and without: another user, no new privileges, bounded files and memory.</summary>
/// <param name="memoryBytes">What one process of a command may write to; a tree may have several.</param>
internal sealed class Confinement(Tools tools, CommandUser? user, long memoryBytes)
{
    // Generous for compilers and package managers; a runaway writer still stops before the disk is full.
    private const long LargestFileBytes = 8L << 30;
    private const int OpenFiles = 4096;

    /// <summary>The user commands run as, or null when that is the worker's own.</summary>
    public CommandUser? User { get; } = user;

    /// <summary>The programs that come before the command, each of which replaces itself by the next.</summary>
    /// <param name="dieWithWorker">Whether the kernel ends the command when the worker's starting thread ends.</param>
    public IEnumerable<string> Prefix(bool dieWithWorker)
    {
        // When memory is short the kernel ends a command, never the worker with all its commands or the database.
        yield return "/bin/sh";
        yield return "-c";
        yield return "{ echo 1000 > /proc/self/oom_score_adj; } 2> /dev/null; exec \"$@\"";
        yield return "sh";
        if (tools.PrLimit is { } prlimit)
        {
            yield return prlimit;
            yield return "--core=0:0";
            yield return string.Create(CultureInfo.InvariantCulture, $"--fsize={LargestFileBytes}:{LargestFileBytes}");
            yield return string.Create(CultureInfo.InvariantCulture, $"--nofile={OpenFiles}:{OpenFiles}");
            yield return string.Create(CultureInfo.InvariantCulture, $"--data={memoryBytes}:{memoryBytes}");
        }

        if (tools.SetPriv is { } setpriv)
        {
            yield return setpriv;
            yield return "--no-new-privs";
            if (User is { } user)
            {
                yield return string.Create(CultureInfo.InvariantCulture, $"--reuid={user.Uid}");
                yield return string.Create(CultureInfo.InvariantCulture, $"--regid={user.Gid}");
                yield return "--clear-groups";
            }

            if (dieWithWorker)
            {
                yield return "--pdeathsig=KILL";
            }

            yield return "--";
        }
    }
}
