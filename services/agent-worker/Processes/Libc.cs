using System.Runtime.InteropServices;

namespace Townhall.Worker.Processes;

/// <summary>The calls of the C library that .NET has no word for. Linux only; numbers are those of its kernel headers.</summary>
internal static partial class Libc
{
    public const int SigTerm = 15;
    public const int SigKill = 9;
    public const int SigStop = 19;
    public const int SigCont = 18;

    public const int ReadOnly = 0;
    public const int CloseOnExec = 0x80000;
    public const int NonBlocking = 0x800;
    public const int NoFollow = 0x20000;

    public const int ErrorNoEntry = 2;
    public const int ErrorInterrupted = 4;
    public const int ErrorAgain = 11;

    public const short PollIn = 1;
    public const short PollHangUp = 0x10;

    public const int NoHang = 1;

    public const int SetDumpable = 4;
    public const int SetChildSubreaper = 36;

    public const uint CloseRangeCloseOnExec = 4;

    private const int ResourceCore = 4;

    [StructLayout(LayoutKind.Sequential)]
    internal struct PollFd
    {
        public int Fd;
        public short Events;
        public short Returned;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct ResourceLimit
    {
        public ulong Soft;
        public ulong Hard;
    }

    [LibraryImport("libc", EntryPoint = "pipe2", SetLastError = true)]
    private static unsafe partial int Pipe2(int* ends, int flags);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    public static partial int Close(int fd);

    [LibraryImport("libc", EntryPoint = "dup2", SetLastError = true)]
    public static partial int Dup2(int from, int to);

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    private static unsafe partial nint Read(int fd, byte* buffer, nint count);

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    private static unsafe partial int Poll(PollFd* fds, nuint count, int timeoutMs);

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    public static partial int Kill(int pid, int signal);

    [LibraryImport("libc", EntryPoint = "waitpid", SetLastError = true)]
    public static partial int WaitPid(int pid, out int status, int options);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "access", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Access(string path, int mode);

    [LibraryImport("libc", EntryPoint = "lchown", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int ChangeOwner(string path, uint uid, uint gid);

    [LibraryImport("libc", EntryPoint = "fchown", SetLastError = true)]
    public static partial int ChangeOwner(int fd, uint uid, uint gid);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial int StatX(int folder, string path, int flags, uint mask, byte* buffer);

    [LibraryImport("libc", EntryPoint = "prctl", SetLastError = true)]
    public static partial int ProcessControl(int option, nuint value, nuint unused3 = 0, nuint unused4 = 0, nuint unused5 = 0);

    [LibraryImport("libc", EntryPoint = "close_range", SetLastError = true)]
    public static partial int CloseRange(uint first, uint last, uint flags);

    /// <summary>Ends this process now: no handlers, no waiting.</summary>
    [LibraryImport("libc", EntryPoint = "_exit")]
    public static partial void ExitNow(int code);

    [LibraryImport("libc", EntryPoint = "geteuid")]
    public static partial uint EffectiveUser();

    [LibraryImport("libc", EntryPoint = "clock_gettime", SetLastError = true)]
    private static unsafe partial int ClockGetTime(int clock, long* secsAndNanos);

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    private static partial int FileControl(int fd, int command, int value);

    [LibraryImport("libc", EntryPoint = "setrlimit", SetLastError = true)]
    private static unsafe partial int SetResourceLimit(int resource, ResourceLimit* limit);

    /// <summary>Makes a pipe whose ends no child inherits by accident.</summary>
    public static unsafe (int Read, int Write) Pipe()
    {
        var ends = stackalloc int[2];
        return Pipe2(ends, CloseOnExec) == 0 ? (ends[0], ends[1]) : throw Broken("pipe");
    }

    /// <summary>Milliseconds since the machine started, those in which it slept too. The same number in every process.</summary>
    public static unsafe long UptimeMs()
    {
        const int bootTime = 7;
        var now = stackalloc long[2];
        return ClockGetTime(bootTime, now) == 0 ? (now[0] * 1000) + (now[1] / 1_000_000) : throw Broken("clock_gettime");
    }

    /// <summary>From now on a write that would have to wait fails instead.</summary>
    public static void NeverBlock(int fd)
    {
        const int setFlags = 4;
        _ = FileControl(fd, setFlags, NonBlocking);
    }

    /// <summary>Reads what is there; 0 at the end of the stream, -1 with errno when there is nothing.</summary>
    public static unsafe int Read(int fd, Span<byte> buffer)
    {
        fixed (byte* start = buffer)
        {
            return (int)Read(fd, start, buffer.Length);
        }
    }

    /// <summary>Waits until something happens on one of <paramref name="fds"/>; -1 for ever.</summary>
    public static unsafe int Poll(Span<PollFd> fds, int timeoutMs)
    {
        fixed (PollFd* start = fds)
        {
            return Poll(start, (nuint)fds.Length, timeoutMs);
        }
    }

    /// <summary>What the file system knows about a path or, where <paramref name="path"/> is empty, about an open file.</summary>
    public static unsafe FileFacts? Facts(int folder, string path, bool follow)
    {
        const int emptyPath = 0x1000, noFollow = 0x100;
        const uint basicStats = 0x7ff;
        var buffer = stackalloc byte[256];     // struct statx is the same on every architecture (linux/stat.h)
        var flags = (path.Length == 0 ? emptyPath : 0) | (follow ? 0 : noFollow);
        return StatX(folder, path, flags, basicStats, buffer) == 0
            ? new FileFacts(*(ushort*)(buffer + 28), *(uint*)(buffer + 16), *(uint*)(buffer + 20), *(uint*)(buffer + 24))
            : null;
    }

    /// <summary>A crash of this process or of what it starts leaves no memory image behind.</summary>
    public static unsafe void ForbidCoreFiles()
    {
        var none = default(ResourceLimit);
        _ = SetResourceLimit(ResourceCore, &none);
    }

    public static IOException Broken(string call) =>
        new($"{call} failed: {Marshal.GetLastPInvokeErrorMessage()}");
}

/// <param name="Mode">Type and permission bits as in <c>stat.h</c>.</param>
internal readonly record struct FileFacts(ushort Mode, uint Links, uint Uid, uint Gid)
{
    public bool IsRegular => (Mode & 0xf000) == 0x8000;

    public bool IsFolder => (Mode & 0xf000) == 0x4000;

    /// <summary>Whether somebody may execute the file or enter the folder, by its permission bits alone.</summary>
    public bool MayExecute(uint uid, uint gid)
    {
        var bit = uid == Uid ? 0x40 : gid == Gid ? 0x08 : 0x01;
        return (Mode & bit) != 0;
    }
}
