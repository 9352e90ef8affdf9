using Townhall.Worker.Processes;

namespace Townhall.Worker.Lifetime;

/// <summary>What this process does to itself before it reads anything: its key and token must not leave it sideways.</summary>
internal static class Hardening
{
    public static void Apply()
    {
        // No core file, no debugger and no look into /proc/…/environ or /proc/…/mem by commands of the same user.
        Libc.ForbidCoreFiles();
        _ = Libc.ProcessControl(Libc.SetDumpable, 0);

        // Processes that lose their parent come to us and can still be found and ended.
        _ = Libc.ProcessControl(Libc.SetChildSubreaper, 1);

        // Whatever the host left open, for example its end of the lifetime pipe, is not for commands.
        _ = Libc.CloseRange(3, uint.MaxValue, Libc.CloseRangeCloseOnExec);
    }
}
