using System.Globalization;
using Aspire.Hosting.ApplicationModel;

namespace Aspire.Hosting.Running;

/// <summary>Keeps one resource running, from the moment what it waits for is there until it is told to stop.</summary>
internal sealed class ResourceRunner(
    IResource resource,
    ILaunch launch,
    bool runsToCompletion,
    IReadOnlyDictionary<IResource, ResourceState> states,
    Spawner spawner,
    HostConsole console,
    ResourceLog log,
    TimeProvider clock) : IDisposable
{
    /// <summary>Longer than the 10 s a service takes at most to stop by itself.</summary>
    private static readonly TimeSpan StopBound = TimeSpan.FromSeconds(13);

    private readonly CancellationTokenSource _stop = new();
    private readonly CancellationTokenSource _hurry = new();
    private Task? _running;

    public IResource Resource { get; } = resource;

    /// <summary>The process that runs now, if any.</summary>
    public int? ProcessId { get; private set; }

    public ResourceState State => states[Resource];

    /// <summary>Runs until told to stop, or until it completed when that is what it is for.</summary>
    /// <exception cref="HostRefusedException">It cannot run here, or something it waits for ended the wrong way.</exception>
    public Task RunAsync() => _running ??= RunUntilStoppedAsync();

    /// <summary>Asks it to stop and waits until it has; a bound sees to that.</summary>
    public async Task StopAsync(CancellationToken hurry)
    {
        await using var _ = hurry.Register(_hurry.Cancel);
        await _stop.CancelAsync();
        try
        {
            await (_running ?? Task.CompletedTask);
        }
        catch (HostRefusedException)
        {
            // Whoever watches the run has said so already.
        }
    }

    public void Dispose()
    {
        _stop.Dispose();
        _hurry.Dispose();
        log.Dispose();
    }

    private async Task RunUntilStoppedAsync()
    {
        var backOff = new BackOff();
        try
        {
            await WaitForOthersAsync();
            while (true)
            {
                var since = clock.GetTimestamp();
                var exitCode = await RunOnceAsync();
                _stop.Token.ThrowIfCancellationRequested();
                if (runsToCompletion)
                {
                    State.SetFinished(exitCode);
                    return;
                }

                var pause = backOff.After(clock.GetElapsedTime(since));
                console.Say(string.Create(
                    CultureInfo.InvariantCulture,
                    $"{Resource.Name} ended with exit code {exitCode}; it starts again in {pause.TotalSeconds:0.#} s"));
                await Task.Delay(pause, clock, _stop.Token);
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // Told to stop: the normal way out.
        }
    }

    private async Task<int> RunOnceAsync()
    {
        var plan = await launch.PrepareAsync(_stop.Token);
        var child = await ChildProcess.StartAsync(spawner, plan, line =>
        {
            log.Append(line);
            console.Line(Resource.Name, line);
        });
        ProcessId = child.Id;
        State.SetStarted();

        using var ended = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        var watching = WatchHealthAsync(clock.GetTimestamp(), ended.Token);
        try
        {
            // A fault of the watcher is one of the host; it must not go unnoticed until the process ends.
            await Task.WhenAny(child.Exited, watching).Unwrap().WaitAsync(_stop.Token);
            return await child.Exited.WaitAsync(_stop.Token);
        }
        finally
        {
            await ended.CancelAsync();
            if (!child.Exited.IsCompleted && !await child.StopAsync(StopBound, clock, _hurry.Token))
            {
                console.Say($"{Resource.Name} did not stop when asked and was killed");
            }

            ProcessId = null;
        }
    }

    private async Task WatchHealthAsync(long since, CancellationToken cancellationToken)
    {
        if (runsToCompletion)
        {
            return;
        }

        try
        {
            var pause = TimeSpan.FromMilliseconds(40);
            while (await launch.ProbeAsync(cancellationToken) is { } trouble)
            {
                State.Trouble = trouble;
                await Task.Delay(pause, clock, cancellationToken);
                pause = pause * 1.5 < TimeSpan.FromSeconds(1) ? pause * 1.5 : TimeSpan.FromSeconds(1);
            }

            await launch.OnHealthyAsync(cancellationToken);
            console.Say(string.Create(
                CultureInfo.InvariantCulture, $"{Resource.Name} is healthy ({clock.GetElapsedTime(since).TotalSeconds:0.0} s)"));
            foreach (var inside in states.Where(pair => pair.Key is IResourceWithParent child && child.Parent == Resource))
            {
                inside.Value.SetHealthy();
            }

            State.SetHealthy();
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The process ended before it was healthy, or it is being stopped.
        }
    }

    private async Task WaitForOthersAsync()
    {
        foreach (var wait in Resource.Annotations.OfType<WaitAnnotation>())
        {
            var other = states[wait.Resource];
            switch (wait.WaitType)
            {
                case WaitType.WaitUntilStarted:
                    await other.Started.WaitAsync(_stop.Token);
                    break;
                case WaitType.WaitUntilHealthy:
                    await other.Healthy.WaitAsync(_stop.Token);
                    break;
                default:
                    if (await other.Finished.WaitAsync(_stop.Token) is var exitCode && exitCode != wait.ExitCode)
                    {
                        throw new HostRefusedException(
                            $"townhall: {wait.Resource.Name} ended with exit code {exitCode}; {Resource.Name} and others wait for it to succeed.", 1);
                    }

                    break;
            }
        }
    }
}
