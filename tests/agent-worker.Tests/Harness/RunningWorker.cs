namespace Townhall.Worker.Tests.Harness;

/// <summary>A dispatcher and one worker that serves it, shared by the tests of a class.</summary>
public abstract class RunningWorker : IAsyncLifetime
{
    private readonly (string, string)[] _settings;

    protected RunningWorker(params (string Name, string Value)[] settings) => _settings = settings;

    internal FakeDispatcher Dispatcher { get; private set; } = null!;

    internal WorkerUnderTest Worker { get; private set; } = null!;

    internal Scratch Scratch { get; } = new();

    public async Task InitializeAsync()
    {
        Dispatcher = await FakeDispatcher.StartAsync();
        Worker = WorkerUnderTest.Start(Dispatcher, Scratch, _settings);
    }

    public async Task DisposeAsync()
    {
        await Worker.DisposeAsync();
        await Dispatcher.DisposeAsync();
        Scratch.Dispose();
    }
}

/// <summary>A worker whose commands run in the sandbox.</summary>
public sealed class SandboxedWorker() : RunningWorker(("TOWN_COMMAND_ENV", "ANTHROPIC_API_KEY"), ("ANTHROPIC_API_KEY", "canary-key"));

/// <summary>A worker on a host without a sandbox.</summary>
public sealed class BareWorker() : RunningWorker(("TOWN_SANDBOX", "none"));
