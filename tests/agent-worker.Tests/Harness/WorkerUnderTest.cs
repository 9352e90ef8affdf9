using System.Diagnostics;
using System.Text;

namespace Townhall.Worker.Tests.Harness;

/// <summary>The built worker as a real process, with its key on standard input as the host hands it over.</summary>
internal sealed class WorkerUnderTest : IAsyncDisposable
{
    private readonly Process _process;
    private readonly StringBuilder _log = new();

    private WorkerUnderTest(Process process) => _process = process;

    public int Pid => _process.Id;

    public bool HasExited => _process.HasExited;

    public string Log
    {
        get
        {
            lock (_log)
            {
                return _log.ToString();
            }
        }
    }

    public static string Program => Path.Combine(AppContext.BaseDirectory, "Townhall.AgentWorker");

    public static WorkerUnderTest Start(FakeDispatcher dispatcher, Scratch scratch, params (string Name, string Value)[] settings) =>
        Start(
        [
            ("TOWN_DISPATCHER_URL", dispatcher.Url), ("TOWN_WORKER_KEY_FD", "0"), ("TOWN_DATA", scratch.Folder), .. settings,
        ], FakeDispatcher.Key);

    public static WorkerUnderTest Start(IEnumerable<(string Name, string Value)> settings, string key)
    {
        var start = new ProcessStartInfo(Program) { RedirectStandardInput = true, RedirectStandardError = true, RedirectStandardOutput = true };
        foreach (var inherited in start.Environment.Keys.Where(static name => name.StartsWith("TOWN", StringComparison.Ordinal)).ToList())
        {
            start.Environment.Remove(inherited);
        }

        foreach (var (name, value) in settings)
        {
            start.Environment[name] = value;
        }

        var worker = new WorkerUnderTest(Process.Start(start)!);
        worker._process.ErrorDataReceived += (_, line) => worker.Keep(line.Data);
        worker._process.OutputDataReceived += (_, line) => worker.Keep(line.Data);
        worker._process.BeginErrorReadLine();
        worker._process.BeginOutputReadLine();
        worker._process.StandardInput.Write(key);
        worker._process.StandardInput.Close();
        return worker;
    }

    public void Signal(string name)
    {
        using var kill = Process.Start("/bin/kill", [$"-{name}", $"{Pid}"]);
        kill.WaitForExit();
    }

    public async Task<int> ExitCodeAsync(TimeSpan? within = null)
    {
        try
        {
            await _process.WaitForExitAsync().WaitAsync(within ?? Eventually.Default);
        }
        catch (TimeoutException)
        {
            Assert.Fail($"The worker did not end. It said:\n{Log}");
        }

        return _process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            await _process.WaitForExitAsync();
        }

        _process.Dispose();
    }

    private void Keep(string? line)
    {
        lock (_log)
        {
            _log.AppendLine(line);
        }
    }
}
