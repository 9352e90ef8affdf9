using Townhall.Testing;

namespace Townhall.Faults;

/// <summary>One service of a town under test: killed, stopped and started again on the same port.</summary>
/// <param name="wrap">A program and its arguments that the service is started by, such as <c>prlimit</c>; empty for none.</param>
public sealed class Part(
    string project, Func<Dictionary<string, string>> settings, FaultRun run, IReadOnlyList<string>? wrap = null, bool listens = true)
    : IAsyncDisposable
{
    private readonly List<KeptProcess> _old = [];
    private KeptProcess? _process;

    /// <summary>Where it listens; the same after every start.</summary>
    public int Port { get; } = Ports.Free();

    public KeptProcess Process => _process ?? throw new InvalidOperationException($"{project} was not started.");

    /// <summary>Whether it was ever started.</summary>
    public bool Started => _process is not null;

    public bool Runs => _process is { HasExited: false };

    /// <summary>What all its processes wrote, the last one's lines at the end.</summary>
    public string Log => string.Join('\n', _old.Append(Process).Select(static one => one.Log));

    /// <summary>Starts it, and waits until it answers that it is ready where it listens.</summary>
    public async Task StartAsync(CancellationToken deadline)
    {
        await BeginAsync();
        await ReadyAsync(deadline);
    }

    /// <summary>Starts it and waits for nothing.</summary>
    public async Task BeginAsync()
    {
        if (_process is not null)
        {
            _old.Add(_process);
        }

        var environment = settings();
        if (listens)
        {
            environment["ASPNETCORE_URLS"] = $"http://127.0.0.1:{Port}";
            environment["ASPNETCORE_ENVIRONMENT"] = "Production";
        }

        string[] line = [.. wrap ?? [], Programs.Dotnet(), Programs.Built(project)];
        _process = await KeptProcess.StartAsync(project, line[0], line[1..], environment);
    }

    public async Task ReadyAsync(CancellationToken deadline)
    {
        if (!listens)
        {
            return;
        }

        using var client = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{Port}"), Timeout = TimeSpan.FromSeconds(2) };
        try
        {
            await Eventually.Is(
                async () =>
                {
                    try
                    {
                        using var answer = await client.GetAsync(new Uri("/internal/ready", UriKind.Relative), deadline);
                        return Process.HasExited || answer.IsSuccessStatusCode;
                    }
                    catch (Exception away) when (away is HttpRequestException or TaskCanceledException && !deadline.IsCancellationRequested)
                    {
                        return Process.HasExited;
                    }
                },
                static ready => ready, deadline, $"{project} to be ready");
        }
        catch (EventuallyException late)
        {
            throw new EventuallyException($"{late.Message}\n{Process.Log}");
        }

        if (Process.HasExited)
        {
            throw new EventuallyException($"{project} ended with {Process.ExitCode} before it was ready.\n{Process.Log}");
        }
    }

    /// <summary>Ends it by SIGKILL; that it ended so is the evidence of the fault.</summary>
    public async Task KillAsync(CancellationToken deadline)
    {
        var process = Process;
        await process.KillAsync(deadline);
        run.Happened(process.ExitCode == 137, $"SIGKILL ended {project} ({process.Pid})");
    }

    /// <summary>Stops the process without ending it, or lets it go on.</summary>
    public void Freeze(bool frozen)
    {
        Process.Signal(frozen ? Signals.Stop : Signals.Continue);
        if (frozen)
        {
            run.Happened(ProcessTable.State(Process.Pid) is 'T' or 't' || Process is { HasExited: false }, $"SIGSTOP to {project} ({Process.Pid})");
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
        {
            await _process.DisposeAsync();
        }

        foreach (var old in _old)
        {
            await old.DisposeAsync();
        }
    }
}
