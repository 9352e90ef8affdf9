using System.Diagnostics;
using Townhall.Testing;

namespace Townhall.AppHost.Tests.Hosts;

/// <summary>The probe's host as a process of its own, as a person would start it.</summary>
internal sealed class HostRun : IAsyncDisposable
{
    private readonly Process _process;
    private readonly List<string> _lines = [];

    private HostRun(Process process)
    {
        _process = process;
        process.OutputDataReceived += Add;
        process.ErrorDataReceived += Add;
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();

        void Add(object sender, DataReceivedEventArgs line)
        {
            lock (_lines)
            {
                if (line.Data is { } text)
                {
                    _lines.Add(text);
                }
            }
        }
    }

    public int Id => _process.Id;

    public int ExitCode => _process.ExitCode;

    public IReadOnlyList<string> Lines
    {
        get
        {
            lock (_lines)
            {
                return [.. _lines];
            }
        }
    }

    public static HostRun Start(string data, params (string Name, string Value)[] settings)
    {
        var program = Path.ChangeExtension(Programs.Built("tests/AppHost.Probe"), null);
        var info = new ProcessStartInfo(program, "host") { RedirectStandardOutput = true, RedirectStandardError = true };
        info.Environment["TOWN_DATA"] = data;
        foreach (var (name, value) in settings)
        {
            info.Environment[name] = value;
        }

        return new HostRun(Process.Start(info)!);
    }

    /// <returns>The addresses of the third, second and first service, in the order they were said.</returns>
    public async Task<Uri[]> ReadyAsync(CancellationToken deadline)
    {
        var line = await Eventually.Is(
            () => _process.HasExited ? $"ended: {string.Join('\n', Lines)}" : Lines.FirstOrDefault(static line => line.StartsWith("ready ", StringComparison.Ordinal)),
            static line => line is not null,
            deadline);
        Assert.StartsWith("ready ", line, StringComparison.Ordinal);
        return [.. line!.Split(' ').Skip(1).Select(static address => new Uri(address))];
    }

    public async Task<int> EndedAsync(CancellationToken deadline)
    {
        await _process.WaitForExitAsync(deadline);
        return _process.ExitCode;
    }

    public void Signal(int signal) => Signals.Send(_process.Id, signal);

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            Signal(Signals.Kill);
            await _process.WaitForExitAsync();
        }

        _process.Dispose();
    }
}
