using Townhall.Worker.Tests.Harness;

namespace Townhall.Worker.Tests.Lifetime;

public sealed class FirstPathTests
{
    [Fact]
    public async Task A_command_and_a_noop_run_and_are_settled_and_the_idle_worker_leaves()
    {
        await using var dispatcher = await FakeDispatcher.StartAsync();
        using var scratch = new Scratch();
        dispatcher.IdleTimeoutSecs = 0.5;
        var script = dispatcher.Enqueue("sh", "echo hello; id; env; exit 0");
        var noop = dispatcher.Enqueue("noop", "just this", runtime: "noop");

        await using var worker = WorkerUnderTest.Start(dispatcher, scratch);
        var result = await dispatcher.ResultOfAsync(script);
        Assert.True(result.Outcome == "completed", $"{result}\n{dispatcher.OutputOf(script)}\n{worker.Log}");
        Assert.Contains("hello", result.Result, StringComparison.Ordinal);
        Assert.Contains("hello", dispatcher.OutputOf(script), StringComparison.Ordinal);
        var echoed = await dispatcher.ResultOfAsync(noop);
        Assert.Equal(("completed", "just this", "in-process"), (echoed.Outcome, echoed.Result, echoed.Sandbox));
        Assert.Equal(0, await worker.ExitCodeAsync());
        Assert.Equal("idle", dispatcher.DrainCalls.First().Reason);
    }
}
