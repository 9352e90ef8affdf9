namespace Aspire.Hosting.Running;

/// <summary>How far a resource has come; what waits for it waits here. Each fact becomes true once and stays true.</summary>
internal sealed class ResourceState
{
    private readonly TaskCompletionSource _started = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _healthy = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<int> _finished = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task Started => _started.Task;

    public Task Healthy => _healthy.Task;

    /// <summary>The exit code of a resource that runs to completion.</summary>
    public Task<int> Finished => _finished.Task;

    /// <summary>What the last health check said; shown to a person who waits.</summary>
    public string? Trouble { get; set; }

    public void SetStarted() => _started.TrySetResult();

    /// <summary>True the first time.</summary>
    public bool SetHealthy()
    {
        SetStarted();
        Trouble = null;
        return _healthy.TrySetResult();
    }

    public void SetFinished(int exitCode) => _finished.TrySetResult(exitCode);
}
