using System.Runtime.InteropServices;
using Townhall.Worker.Processes;

namespace Townhall.Worker.Lifetime;

/// <summary>Watches the FIFO that the host holds open for writing: when its last writer is gone, so is the host.</summary>
internal static class LifetimePipe
{
    // The host may open its end a moment after it started us.
    private const int FirstWriterMs = 2000;
    private const int PauseMs = 50;

    /// <summary>Opens the pipe and calls <paramref name="hostIsGone"/> once, from a thread of its own, when the host is gone.</summary>
    /// <exception cref="IOException">The pipe could not be opened.</exception>
    public static void Watch(string path, Action hostIsGone)
    {
        var pipe = Libc.Open(path, Libc.ReadOnly | Libc.NonBlocking | Libc.CloseOnExec);
        if (pipe < 0)
        {
            throw Libc.Broken($"Opening {path}");
        }

        new Thread(() =>
        {
            WaitForHangUp(pipe);
            hostIsGone();
        })
        {
            IsBackground = true,
            Name = "lifetime-pipe",
        }.Start();
    }

    private static void WaitForHangUp(int pipe)
    {
        Span<byte> ignored = stackalloc byte[256];
        Span<Libc.PollFd> fds = [new Libc.PollFd { Fd = pipe, Events = Libc.PollIn }];
        var patienceMs = FirstWriterMs;
        while (true)
        {
            // Reading comes first: it alone tells a pipe that waits for its writer from one that has one.
            switch (Libc.Read(pipe, ignored))
            {
                case > 0:
                    patienceMs = 0;
                    break;
                case 0 when patienceMs <= 0:
                    return;
                case 0:
                    // No writer yet, or no more: an empty poll is the pause, since a hung-up pipe never blocks.
                    _ = Libc.Poll([], PauseMs);
                    patienceMs -= PauseMs;
                    break;
                default:
                    // EAGAIN: somebody holds the other end, and from now on its close is the end.
                    if (Marshal.GetLastPInvokeError() == Libc.ErrorAgain)
                    {
                        patienceMs = 0;
                    }

                    _ = Libc.Poll(fds, -1);
                    break;
            }
        }
    }
}
