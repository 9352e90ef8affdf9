using System.Diagnostics;

namespace Townhall.Testing;

/// <summary>One real process of a test: its last lines are kept, it is signalled by its id, and it never outlives the run.</summary>
public sealed class KeptProcess : IAsyncDisposable
{
    private const int LinesMost = 2000;
    private readonly Queue<string> _lines = new();
    private readonly Lock _gate = new();
    private readonly TaskCompletionSource _exited = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Process? _process;

    private KeptProcess(string name) => Name = name;

    public string Name { get; }

    /// <summary>The process id; it is the program's own, because everything before it was replaced by exec.</summary>
    public int Pid { get; private set; }

    public bool HasExited => _exited.Task.IsCompleted;

    /// <summary>How it ended; 128 + n for signal n.</summary>
    public int ExitCode => _process!.ExitCode;

    /// <summary>The last lines of both outputs.</summary>
    public string Log
    {
        get
        {
            lock (_gate)
            {
                return string.Join('\n', _lines);
            }
        }
    }

    /// <param name="environment">All that the process sees; nothing is inherited but PATH, HOME and DOTNET_ROOT.</param>
    public static async Task<KeptProcess> StartAsync(
        string name, string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string> environment,
        string deathSignal = "KILL", IEnumerable<string>? setprivOptions = null)
    {
        var kept = new KeptProcess(name);
        kept._process = await Keeper.StartAsync(deathSignal, setprivOptions ?? [], program, arguments, process =>
        {
            process.StartInfo.Environment.Clear();
            foreach (var inherited in (string[])["PATH", "HOME", "DOTNET_ROOT", "DOTNET_CLI_TELEMETRY_OPTOUT"])
            {
                if (Environment.GetEnvironmentVariable(inherited) is { } value)
                {
                    process.StartInfo.Environment[inherited] = value;
                }
            }

            foreach (var (key, value) in environment)
            {
                process.StartInfo.Environment[key] = value;
            }

            process.OutputDataReceived += kept.Keep;
            process.ErrorDataReceived += kept.Keep;
            process.Exited += (_, _) => kept._exited.TrySetResult();
        });
        kept.Pid = kept._process.Id;
        return kept;
    }

    public void Signal(int signal)
    {
        // The id of a process that ended may be another's by now.
        if (!HasExited)
        {
            Signals.Send(Pid, signal);
        }
    }

    /// <summary>Asks it to end and waits for that.</summary>
    /// <returns>Its exit code.</returns>
    public async Task<int> StopAsync(CancellationToken deadline)
    {
        Signal(Signals.Terminate);
        return await ExitAsync(deadline);
    }

    /// <summary>Ends it without a chance to say anything, and waits until it is gone.</summary>
    public async Task KillAsync(CancellationToken deadline)
    {
        Signal(Signals.Kill);
        await ExitAsync(deadline);
    }

    /// <summary>Waits until it has ended by itself.</summary>
    /// <returns>Its exit code.</returns>
    public async Task<int> ExitAsync(CancellationToken deadline)
    {
        await _exited.Task.WaitAsync(deadline);
        return ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is not { } process)
        {
            return;
        }

        Signal(Signals.Continue);
        Signal(Signals.Kill);
        await _exited.Task.WaitAsync(TimeSpan.FromSeconds(10), TimeProvider.System);
        process.Dispose();
    }

    private void Keep(object sender, DataReceivedEventArgs line)
    {
        if (line.Data is not { } text)
        {
            return;
        }

        lock (_gate)
        {
            if (_lines.Count == LinesMost)
            {
                _lines.Dequeue();
            }

            _lines.Enqueue(text);
        }
    }
}
