using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Extensions.Logging;
using Townhall.Contracts.Workers;
using Townhall.Worker.Lifetime;
using Townhall.Worker.Processes;
using Townhall.Worker.Runtimes.Command;

namespace Townhall.Worker.Warden;

/// <summary>Keeps a second process beside us that freezes our commands at their fences also when we stand still, and ends what
/// is left of them when we are killed.</summary>
/// <remarks>
/// A process that was stopped cannot stop others, and its leases end without it: so a small process, which needs nothing of
/// us but the news of a renewal, looks at each fence by its own clock. A sandbox ends with its parent by the kernel's doing,
/// once it is set up; without one the kernel ends the command only, not what it started. The small process does the rest.
/// </remarks>
internal sealed partial class Warden(ChildProcesses children, ILogger logger) : IDisposable
{
    public const string Argument = "--warden";

    private readonly SemaphoreSlim _starting = new(1);
    private readonly Lock _gate = new();
    private readonly Dictionary<(Guid, int), Guarded> _guarded = [];
    private int _pipe = -1;
    private bool _disposed;

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    private static unsafe partial nint Write(int fd, byte* bytes, nint count);

    /// <summary>Starts the second process and tells it of every tree; does nothing when it is there.</summary>
    public async Task StartAsync()
    {
        await _starting.WaitAsync();
        try
        {
            if (Volatile.Read(ref _pipe) >= 0)
            {
                return;
            }

            var (read, write) = Libc.Pipe();
            // A second process that hangs must not make us hang.
            Libc.NeverBlock(write);
            var errors = Libc.Open("/dev/null", 2 | Libc.CloseOnExec);
            try
            {
                await children.StartAsync(new SpawnRequest([.. Program(), Argument], Variables(), "/", [read, errors, errors]));
                lock (_gate)
                {
                    if (_disposed)
                    {
                        _ = Libc.Close(write);
                        return;
                    }

                    _pipe = write;
                    foreach (var guarded in _guarded.Values)
                    {
                        Say(guarded);
                    }
                }
            }
            catch (SpawnException refused)
            {
                _ = Libc.Close(write);
                LogNoWarden(refused.Message);
            }
            finally
            {
                _ = Libc.Close(read);
                _ = Libc.Close(errors);
            }
        }
        finally
        {
            _starting.Release();
        }
    }

    /// <summary>From now on a tree is guarded.</summary>
    public void Guard(ProcessTree tree, TreeShape shape, Lease lease)
    {
        var (task, attempt) = CommandEnvironment.Marks(lease);
        lock (_gate)
        {
            // Its fence is told when it is attached, which is next.
            Tell(lease, new Guarded(task, attempt, tree.Main.Pid, shape, long.MaxValue, Paused: false));
        }
    }

    /// <summary>When a tree may no longer run, unless this is said again.</summary>
    public void Fence(Lease lease, TimeSpan untilFence, bool paused)
    {
        lock (_gate)
        {
            if (_guarded.TryGetValue((lease.TaskId, lease.Epoch), out var guarded))
            {
                Tell(lease, guarded with { FenceMs = Libc.UptimeMs() + (long)untilFence.TotalMilliseconds, Paused = paused });
            }
        }
    }

    /// <summary>A tree has ended.</summary>
    public void Release(Lease lease)
    {
        lock (_gate)
        {
            if (_guarded.Remove((lease.TaskId, lease.Epoch), out var guarded))
            {
                Say(guarded with { Main = 0 });
            }
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            // Its input ends here; what it would end, we have ended before.
            _disposed = true;
            Close();
        }

        _starting.Dispose();
    }

    private void Tell(Lease lease, Guarded guarded)
    {
        _guarded[(lease.TaskId, lease.Epoch)] = guarded;
        Say(guarded);
    }

    private unsafe void Say(Guarded guarded)
    {
        if (_pipe < 0)
        {
            return;
        }

        var line = Encoding.UTF8.GetBytes(guarded.Line());
        fixed (byte* bytes = line)
        {
            // Lines shorter than PIPE_BUF are written whole or not at all.
            if (Write(_pipe, bytes, line.Length) == line.Length || _disposed)
            {
                return;
            }
        }

        // It was ended by somebody, or it hangs: the end of its input ends it, and another one takes its place.
        Close();
        LogLost();
        Unforeseen.EndsTheProcess(Task.Run(StartAsync));
    }

    private void Close()
    {
        if (_pipe >= 0)
        {
            _ = Libc.Close(_pipe);
            _pipe = -1;
        }
    }

    private static List<string> Program()
    {
        // Beside our assembly lies the program that starts it; only a test host or `dotnet worker.dll` comes without it.
        var folder = AppContext.BaseDirectory;
        var name = typeof(Warden).Assembly.GetName().Name!;
        var own = Path.Combine(folder, name);
        return File.Exists(own) ? [own] : [Environment.ProcessPath!, Path.Combine(folder, $"{name}.dll")];
    }

    private static List<KeyValuePair<string, string>> Variables() =>
        [.. ((string[])["PATH", "DOTNET_ROOT", "HOME"])
            .Select(static name => KeyValuePair.Create(name, Environment.GetEnvironmentVariable(name) ?? ""))
            .Where(static pair => pair.Value.Length > 0)
            .Append(KeyValuePair.Create("DOTNET_TieredPGO", "0"))
            .Append(KeyValuePair.Create("DOTNET_GCHeapHardLimit", "0x2000000"))];

    [LoggerMessage(LogLevel.Warning, "No second process could be started ({Reason}): if this worker stands still or is killed, its commands may go on")]
    private partial void LogNoWarden(string reason);

    [LoggerMessage(LogLevel.Warning, "The second process is gone or does not listen; another one is started")]
    private partial void LogLost();
}
