using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Running;
using Townhall.Testing;

namespace Townhall.AppHost.Tests.Running;

/// <summary>One resource's life: after what it waits for, again after a crash, until it is told to stop.</summary>
public sealed class ResourceRunnerTests : IAsyncLifetime
{
    private readonly TemporaryDirectory _directory = new();
    private readonly Spawner _spawner = new();
    private readonly StringWriter _said = new();
    private readonly HostConsole _console;
    private readonly Dictionary<IResource, ResourceState> _states = [];
    private readonly List<ResourceRunner> _runners = [];
    private readonly CancellationToken _deadline = Deadline.Usual();

    public ResourceRunnerTests() => _console = new HostConsole(_said, ["one", "two"], colour: false);

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        foreach (var runner in _runners)
        {
            await runner.StopAsync(_deadline);
            runner.Dispose();
        }

        await _console.DisposeAsync();
        await _said.DisposeAsync();
        _spawner.Dispose();
        _directory.Dispose();
    }

    [Fact]
    public async Task It_starts_only_when_what_it_waits_for_is_healthy()
    {
        var one = Runner("one", new ShellLaunch("exec sleep 600") { Trouble = "not yet" });
        var two = Runner("two", new ShellLaunch("exec sleep 600"), new WaitAnnotation(one.Runner.Resource, WaitType.WaitUntilHealthy));
        _ = one.Runner.RunAsync();
        _ = two.Runner.RunAsync();

        await one.State.Started.WaitAsync(_deadline);
        await Eventually.Holds(() => one.Launch.Probes > 2, _deadline);
        Assert.False(two.State.Started.IsCompleted);

        one.Launch.Trouble = null;
        await two.State.Healthy.WaitAsync(_deadline);
        Assert.True(one.State.Healthy.IsCompleted);
    }

    [Fact]
    public async Task It_starts_only_when_what_it_waits_for_has_completed()
    {
        var gate = _directory["gate"];
        var one = Runner("one", new ShellLaunch($"while ! [ -e {gate} ]; do sleep 0.02; done"), runsToCompletion: true);
        var two = Runner("two", new ShellLaunch("exec sleep 600"), new WaitAnnotation(one.Runner.Resource, WaitType.WaitForCompletion));
        _ = one.Runner.RunAsync();
        _ = two.Runner.RunAsync();

        await one.State.Started.WaitAsync(_deadline);
        Assert.False(two.State.Started.IsCompleted);

        await File.WriteAllTextAsync(gate, "");
        await two.State.Started.WaitAsync(_deadline);
        Assert.Equal(0, await one.State.Finished);
    }

    [Fact]
    public async Task It_refuses_when_what_it_waits_for_failed()
    {
        var one = Runner("one", new ShellLaunch("exit 3"), runsToCompletion: true);
        var two = Runner("two", new ShellLaunch("exec sleep 600"), new WaitAnnotation(one.Runner.Resource, WaitType.WaitForCompletion));
        _ = one.Runner.RunAsync();

        var refusal = await Assert.ThrowsAsync<HostRefusedException>(() => two.Runner.RunAsync().WaitAsync(_deadline));
        Assert.Contains("one ended with exit code 3", refusal.Message, StringComparison.Ordinal);
        Assert.False(two.State.Started.IsCompleted);
    }

    [Fact]
    public async Task It_starts_again_after_a_crash()
    {
        var one = Runner("one", new ShellLaunch("exit 9"));
        _ = one.Runner.RunAsync();

        await Eventually.Holds(() => one.Launch.Starts >= 2, _deadline);
        await _console.FlushAsync();
        Assert.Contains("one ended with exit code 9; it starts again in 0.5 s", _said.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Stopping_asks_first_and_the_log_has_the_last_words()
    {
        var one = Runner("one", new ShellLaunch("trap 'echo farewell; exit 0' TERM; echo here; while :; do sleep 0.02; done"));
        _ = one.Runner.RunAsync();
        await Eventually.Holds(() => Log("one").Contains("here", StringComparison.Ordinal), _deadline);

        await one.Runner.StopAsync(_deadline).WaitAsync(_deadline);

        Assert.Contains("farewell", Log("one"), StringComparison.Ordinal);
        Assert.Null(one.Runner.ProcessId);
    }

    [Fact]
    public async Task Who_does_not_stop_is_killed_when_somebody_is_in_a_hurry()
    {
        var one = Runner("one", new ShellLaunch("trap '' TERM; echo here; while :; do sleep 0.02; done"));
        _ = one.Runner.RunAsync();
        await Eventually.Holds(() => Log("one").Contains("here", StringComparison.Ordinal), _deadline);
        var processId = one.Runner.ProcessId!.Value;

        await one.Runner.StopAsync(new CancellationToken(canceled: true)).WaitAsync(_deadline);

        Assert.False(Signals.Alive(processId));
    }

    [Fact]
    public async Task Output_without_end_never_blocks_its_writer()
    {
        // More than a pipe holds (64 KiB), in one line that never ends.
        var one = Runner("one", new ShellLaunch("head -c 300000 /dev/zero | tr '\\0' x; echo; echo done; exec sleep 600"));
        _ = one.Runner.RunAsync();

        await Eventually.Holds(() => Log("one").Contains("done", StringComparison.Ordinal), _deadline);
    }

    private string Log(string name)
    {
        var path = _directory[$"{name}.log"];
        using var reader = new StreamReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        return reader.ReadToEnd();
    }

    private (ResourceRunner Runner, ShellLaunch Launch, ResourceState State) Runner(
        string name, ShellLaunch launch, WaitAnnotation? wait = null, bool runsToCompletion = false)
    {
        var resource = new ProjectResource(name);
        if (wait is not null)
        {
            resource.Annotations.Add(wait);
        }

        _states[resource] = new ResourceState();
        var log = new ResourceLog(_directory[$"{name}.log"]);
        var runner = new ResourceRunner(resource, launch, runsToCompletion, _states, _spawner, _console, log, TimeProvider.System);
        _runners.Add(runner);
        return (runner, launch, _states[resource]);
    }

    /// <summary>A shell script as a resource, as healthy as the test says.</summary>
    private sealed class ShellLaunch(string script) : ILaunch
    {
        private int _starts;
        private int _probes;

        public string? Trouble { get; set; }

        public int Starts => _starts;

        public int Probes => _probes;

        public Task<LaunchPlan> PrepareAsync(CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _starts);
            return Task.FromResult(new LaunchPlan("sh", ["-c", script], "/") { Environment = HostEnvironment.ForServer() });
        }

        public Task<string?> ProbeAsync(CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _probes);
            return Task.FromResult(Trouble);
        }
    }
}
