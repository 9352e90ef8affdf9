using System.Collections.Concurrent;
using System.Runtime.InteropServices;

namespace Townhall.Worker.Processes;

/// <summary>Starts children from one thread that lives as long as this object, and collects them when they end.</summary>
/// <remarks>
/// The kernel sends a parent-death signal when the *thread* that started a child ends, not the process. Children started
/// from pool threads would be killed whenever the pool shrinks; children of this thread are killed exactly when we are.
/// </remarks>
internal sealed class ChildProcesses : IDisposable
{
    private readonly BlockingCollection<(SpawnRequest Request, TaskCompletionSource<ChildProcess> Started)> _requests = new(1024);
    private readonly ConcurrentDictionary<int, ChildProcess> _living = [];
    private readonly Lock _gate = new();
    private readonly Orphans _orphans;
    private readonly PosixSignalRegistration _childEnded;

    /// <param name="orphans">Whether processes that lost their parent are ours to collect; true only where this process is their subreaper.</param>
    public ChildProcesses(Orphans orphans)
    {
        _orphans = orphans;
        _childEnded = PosixSignalRegistration.Create(PosixSignal.SIGCHLD, _ => Collect());
        new Thread(StartRequested) { IsBackground = true, Name = "child-processes" }.Start();
    }

    /// <summary>Starts a child.</summary>
    /// <exception cref="SpawnException">Nothing was started; the error number says why.</exception>
    public Task<ChildProcess> StartAsync(SpawnRequest request)
    {
        var started = new TaskCompletionSource<ChildProcess>(TaskCreationOptions.RunContinuationsAsynchronously);
        _requests.Add((request, started));
        return started.Task;
    }

    public void Dispose()
    {
        _childEnded.Dispose();
        _requests.CompleteAdding();
    }

    private void StartRequested()
    {
        foreach (var (request, started) in _requests.GetConsumingEnumerable())
        {
            try
            {
                // Starting and collecting exclude each other, or a child that ends at once could be collected as a stranger.
                ChildProcess? child = null;
                int pid;
                lock (_gate)
                {
                    pid = Spawn.Start(request);
                    if (pid > 0)
                    {
                        _living[pid] = child = new ChildProcess(pid);
                    }
                }

                if (child is null)
                {
                    started.SetException(new SpawnException(-pid));
                    continue;
                }

                started.SetResult(child);
                Collect();
            }
            catch (ArgumentException refused)
            {
                started.SetException(refused);
            }
        }
    }

    private void Collect()
    {
        lock (_gate)
        {
            if (_orphans == Orphans.Collected)
            {
                while (Libc.WaitPid(-1, out var status, Libc.NoHang) is > 0 and var pid)
                {
                    if (_living.TryRemove(pid, out var known))
                    {
                        known.Collected(status);
                    }
                }

                return;
            }

            foreach (var (pid, child) in _living)
            {
                if (child.TryCollect())
                {
                    _living.TryRemove(pid, out _);
                }
            }
        }
    }
}

/// <summary>Who collects processes that lost their parent.</summary>
internal enum Orphans
{
    /// <summary>Somebody else: this process only knows its own children.</summary>
    Foreign,

    /// <summary>This process, their subreaper.</summary>
    Collected,
}

/// <summary>The program could not be started at all.</summary>
internal sealed class SpawnException(int error) : IOException(Marshal.GetPInvokeErrorMessage(error))
{
    /// <summary>The errno of posix_spawn.</summary>
    public int Error { get; } = error;
}
