using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Extensions.Logging;
using Townhall.Contracts.Workers;
using Townhall.Worker.Processes;
using Townhall.Worker.Runtimes.Command;

namespace Townhall.Worker.Warden;

/// <summary>Keeps a second process beside us that ends the trees of unsandboxed commands when we are killed.</summary>
/// <remarks>
/// A sandbox ends with its parent by the kernel's doing. Without one the kernel ends the command only, not what it started;
/// so a small process waits for our end (the end of its input) and then does what we would have done. It exists only
/// where commands run bare.
/// </remarks>
internal sealed partial class Warden(ChildProcesses children, ILogger logger) : IDisposable
{
    public const string Argument = "--warden";

    private readonly SemaphoreSlim _starting = new(1);
    private int _pipe = -1;

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    private static unsafe partial nint Write(int fd, byte* bytes, nint count);

    /// <summary>Starts the second process; does nothing when it is there.</summary>
    public async Task StartAsync()
    {
        await _starting.WaitAsync();
        try
        {
            if (_pipe >= 0)
            {
                return;
            }

            var (read, write) = Libc.Pipe();
            var errors = Libc.Open("/dev/null", 2 | Libc.CloseOnExec);
            try
            {
                await children.StartAsync(new SpawnRequest([.. Program(), Argument], Variables(), "/", [read, errors, errors]));
                _pipe = write;
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

    /// <summary>From now on a tree is ended with us.</summary>
    public void Guard(ProcessTree tree, TreeShape shape, Lease lease) => Say(shape, lease, '+', tree.Main.Pid);

    /// <summary>A tree has ended.</summary>
    public void Release(TreeShape shape, Lease lease) => Say(shape, lease, '-', 0);

    public void Dispose()
    {
        // Its input ends here; what it would end, we have ended before.
        if (Interlocked.Exchange(ref _pipe, -1) is >= 0 and var pipe)
        {
            _ = Libc.Close(pipe);
        }

        _starting.Dispose();
    }

    private unsafe void Say(TreeShape shape, Lease lease, char sign, int pid)
    {
        if (shape != TreeShape.Loose || _pipe < 0)
        {
            return;
        }

        // Lines shorter than PIPE_BUF are written whole, so threads need no order among themselves.
        var (task, attempt) = CommandEnvironment.Marks(lease);
        fixed (byte* line = Encoding.UTF8.GetBytes($"{sign}{pid} {task} {attempt}\n").AsSpan())
        {
            var length = 0;
            while (line[length] != (byte)'\n')
            {
                length++;
            }

            _ = Write(_pipe, line, length + 1);
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

    [LoggerMessage(LogLevel.Warning, "No second process could be started ({Reason}): if this worker is killed, children of its commands may live on")]
    private partial void LogNoWarden(string reason);
}
