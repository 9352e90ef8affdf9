using System.Runtime.InteropServices;
using System.Text;

namespace Townhall.Worker.Processes;

/// <summary>What a child is started from. Everything it gets is listed here: argument vector, environment, folder, descriptors.</summary>
/// <param name="Arguments">The argument vector; its first element is the absolute path of the program.</param>
/// <param name="Inherited">Descriptors that become 0, 1, 2, 3 … of the child, in this order.</param>
internal sealed record SpawnRequest(
    IReadOnlyList<string> Arguments, IReadOnlyList<KeyValuePair<string, string>> Environment, string Folder, IReadOnlyList<int> Inherited);

/// <summary>posix_spawn with a session of its own, default signals and exactly the descriptors asked for.</summary>
internal static partial class Spawn
{
    // glibc: 80 bytes of file actions, 336 of attributes; musl is smaller. Generous room costs nothing.
    private const int OpaqueBytes = 1024;
    private const int SignalSetBytes = 128;
    private const short SetSignalDefaults = 0x04;
    private const short SetSignalMask = 0x08;
    private const short SetSession = 0x80;

    [LibraryImport("libc", EntryPoint = "posix_spawn")]
    private static unsafe partial int PosixSpawn(
        int* pid, byte* path, byte* fileActions, byte* attributes, byte** arguments, byte** environment);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_init")]
    private static unsafe partial int InitActions(byte* actions);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_destroy")]
    private static unsafe partial int DestroyActions(byte* actions);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_adddup2")]
    private static unsafe partial int AddDup2(byte* actions, int from, int to);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_addchdir_np")]
    private static unsafe partial int AddChangeFolder(byte* actions, byte* path);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_init")]
    private static unsafe partial int InitAttributes(byte* attributes);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_destroy")]
    private static unsafe partial int DestroyAttributes(byte* attributes);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_setflags")]
    private static unsafe partial int SetFlags(byte* attributes, short flags);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_setsigdefault")]
    private static unsafe partial int SetDefaults(byte* attributes, byte* signals);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_setsigmask")]
    private static unsafe partial int SetMask(byte* attributes, byte* signals);

    /// <summary>Starts the child from the calling thread, which must outlive it: the kernel's parent-death signal follows threads.</summary>
    /// <returns>The process id, or the negative errno when nothing was started.</returns>
    public static unsafe int Start(SpawnRequest request)
    {
        var actions = stackalloc byte[OpaqueBytes];
        var attributes = stackalloc byte[OpaqueBytes];
        var allSignals = stackalloc byte[SignalSetBytes];
        var noSignals = stackalloc byte[SignalSetBytes];
        new Span<byte>(allSignals, SignalSetBytes).Fill(0xff);
        new Span<byte>(noSignals, SignalSetBytes).Clear();

        var arguments = Vector(request.Arguments);
        var environment = Vector([.. request.Environment.Select(static pair => $"{pair.Key}={pair.Value}")]);
        var folder = (byte*)Marshal.StringToCoTaskMemUTF8(request.Folder);
        _ = InitActions(actions);
        _ = InitAttributes(attributes);
        try
        {
            // The runtime ignores SIGPIPE, and an ignored signal would stay ignored in the child: every filter relies on it.
            _ = SetDefaults(attributes, allSignals);
            _ = SetMask(attributes, noSignals);
            _ = SetFlags(attributes, SetSignalDefaults | SetSignalMask | SetSession);
            for (var target = 0; target < request.Inherited.Count; target++)
            {
                _ = AddDup2(actions, request.Inherited[target], target);
            }

            _ = AddChangeFolder(actions, folder);
            int pid;
            var error = PosixSpawn(&pid, arguments[0], actions, attributes, arguments, environment);
            return error == 0 ? pid : -error;
        }
        finally
        {
            _ = DestroyActions(actions);
            _ = DestroyAttributes(attributes);
            Free(arguments);
            Free(environment);
            Marshal.FreeCoTaskMem((nint)folder);
        }
    }

    private static unsafe byte** Vector(IReadOnlyList<string> texts)
    {
        var vector = (byte**)NativeMemory.AllocZeroed((nuint)(texts.Count + 1), (nuint)sizeof(byte*));
        for (var i = 0; i < texts.Count; i++)
        {
            // A NUL would end the argument early, and a shorter argument is another argument.
            if (texts[i].Contains('\0', StringComparison.Ordinal))
            {
                Free(vector);
                throw new ArgumentException("An argument or variable contains a NUL character.", nameof(texts));
            }

            var bytes = Encoding.UTF8.GetByteCount(texts[i]);
            vector[i] = (byte*)Marshal.AllocCoTaskMem(bytes + 1);
            Encoding.UTF8.GetBytes(texts[i], new Span<byte>(vector[i], bytes));
            vector[i][bytes] = 0;
        }

        return vector;
    }

    private static unsafe void Free(byte** vector)
    {
        for (var item = vector; *item is not null; item++)
        {
            Marshal.FreeCoTaskMem((nint)(*item));
        }

        NativeMemory.Free(vector);
    }
}
