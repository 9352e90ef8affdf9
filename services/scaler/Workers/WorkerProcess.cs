using System.Diagnostics;

namespace Townhall.Scaler.Workers;

/// <summary>One worker that this process started. The worker does not depend on it: it has its own session and its own log.</summary>
internal sealed class WorkerProcess : IDisposable
{
    // The shell opens the log and becomes the worker: every exec keeps the process id. A session of its own keeps
    // signals to ours away, and a file, unlike a pipe, neither fills nor breaks when this process is gone.
    private const string Launch = "log=$1; shift; exec setsid -- \"$@\" >>\"$log\" 2>&1";
    private readonly Process _process;

    private WorkerProcess(Process process, WorkerStart start, int number, long startedAt)
    {
        _process = process;
        Start = start;
        Number = number;
        StartedAt = startedAt;
    }

    public WorkerStart Start { get; }

    public Guid Worker => Start.Worker;

    /// <summary>Its place among the workers started here, from 1; names its log.</summary>
    public int Number { get; }

    public long StartedAt { get; }

    public int Pid => _process.Id;

    public bool HasExited => _process.HasExited;

    public int ExitCode => _process.ExitCode;

    /// <summary>Starts a worker and hands it its key over its standard input.</summary>
    /// <param name="exited">Called once, on some thread, when it has ended.</param>
    /// <exception cref="IOException">The key cannot be read.</exception>
    /// <exception cref="System.ComponentModel.Win32Exception">No process could be made.</exception>
    public static WorkerProcess Begin(WorkerCommand command, WorkerStart intent, int number, string log, Action exited, TimeProvider clock)
    {
        var key = File.ReadAllText(command.KeyFile);
        var start = new ProcessStartInfo("/bin/sh")
        {
            RedirectStandardInput = true,
            WorkingDirectory = "/",
        };
        // Also as an argument, which the worker ignores: a host that looks for its workers may not read their environment.
        string[] host = command.Environment.TryGetValue("TOWN_HOST_ID", out var id) ? [$"TOWN_HOST_ID={id}"] : [];
        foreach (var argument in (IEnumerable<string>)["-c", Launch, "worker", log, .. command.Vector, .. host])
        {
            start.ArgumentList.Add(argument);
        }

        start.Environment.Clear();
        foreach (var (name, value) in command.Environment)
        {
            start.Environment[name] = value;
        }

        start.Environment["TOWN_WORKER_INCARNATION"] = intent.Worker.ToString("D");
        var process = new Process { StartInfo = start, EnableRaisingEvents = true };
        process.Exited += (_, _) => exited();
        process.Start();
        Hand(process, key);
        return new WorkerProcess(process, intent with { Pid = process.Id }, number, clock.GetTimestamp());
    }

    /// <summary>Ends a worker that never registered, so that it holds nothing.</summary>
    public void Kill()
    {
        try
        {
            _process.Kill();
        }
        catch (InvalidOperationException)
        {
            // It has just ended by itself.
        }
    }

    public void Dispose() => _process.Dispose();

    private static void Hand(Process process, string key)
    {
        try
        {
            process.StandardInput.Write(key);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It ended before it read its key; its exit will be told, and so will the reason in its log.
        }
    }
}
