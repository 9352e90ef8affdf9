using Townhall.Worker.Tests.Harness;

namespace Townhall.Worker.Tests.Throughput;

public sealed class NoopThroughputTests
{
    [Fact]
    public async Task Twenty_thousand_noops_go_through_one_process_in_batches()
    {
        const int tasks = 20_000;
        await using var dispatcher = await FakeDispatcher.StartAsync();
        using var scratch = new Scratch();
        for (var i = 0; i < tasks; i++)
        {
            dispatcher.Enqueue("noop", "a text of about two hundred bytes " + new string('x', 166), runtime: "noop");
        }

        await using var worker = WorkerUnderTest.Start(
            dispatcher, scratch, ("TOWN_WORKER_RUNTIMES", "noop"), ("TOWN_WORKER_SLOTS", "512"));
        await Eventually.TrueAsync(() => !dispatcher.Results.IsEmpty, () => worker.Log);
        var started = TimeProvider.System.GetTimestamp();
        await Eventually.TrueAsync(() => dispatcher.Results.Count == tasks, () => $"{dispatcher.Results.Count} of {tasks}");
        var seconds = TimeProvider.System.GetElapsedTime(started).TotalSeconds;
        Console.WriteLine($"noop: {tasks / seconds:F0} tasks/s, {dispatcher.SettleCalls.Count} settle calls, {dispatcher.LeaseCalls.Count} lease calls");
        Assert.All(dispatcher.Results.Values, static result => Assert.Equal("completed", result.Outcome));
        Assert.True(dispatcher.SettleCalls.Count < tasks / 20, $"{dispatcher.SettleCalls.Count} calls are no batches");
    }
}
