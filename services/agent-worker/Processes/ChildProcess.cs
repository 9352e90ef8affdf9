namespace Townhall.Worker.Processes;

/// <summary>How a child ended: by itself with a code, or by a signal.</summary>
internal readonly record struct ExitStatus(int? Code, int? Signal)
{
    /// <summary>Reads the word that waitpid gives (sys/wait.h).</summary>
    public static ExitStatus FromWait(int status) =>
        (status & 0x7f) == 0 ? new((status >> 8) & 0xff, null) : new(null, status & 0x7f);

    /// <summary>The number a shell would report: the code, or 128 plus the signal.</summary>
    public int AsShellCode => Code ?? 128 + Signal!.Value;
}

/// <summary>A started child. Its process id is ours to signal until its end was collected, and never after.</summary>
internal sealed class ChildProcess(int pid)
{
    private readonly Lock _gate = new();
    private readonly TaskCompletionSource<ExitStatus> _exited = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _collected;

    public int Pid { get; } = pid;

    /// <summary>Ends when the process did and its status was collected.</summary>
    public Task<ExitStatus> Exited => _exited.Task;

    public bool HasExited => _exited.Task.IsCompleted;

    /// <summary>Sends a signal, unless the process has ended: its number may belong to somebody else by then.</summary>
    public void Signal(int signal)
    {
        lock (_gate)
        {
            if (!_collected)
            {
                _ = Libc.Kill(Pid, signal);
            }
        }
    }

    /// <summary>Collects the status if the process has ended.</summary>
    public bool TryCollect()
    {
        int status;
        lock (_gate)
        {
            if (_collected || Libc.WaitPid(Pid, out status, Libc.NoHang) != Pid)
            {
                return _collected;
            }

            _collected = true;
        }

        _exited.TrySetResult(ExitStatus.FromWait(status));
        return true;
    }

    /// <summary>Takes a status that was collected together with those of other processes.</summary>
    public void Collected(int status)
    {
        lock (_gate)
        {
            _collected = true;
        }

        _exited.TrySetResult(ExitStatus.FromWait(status));
    }
}
