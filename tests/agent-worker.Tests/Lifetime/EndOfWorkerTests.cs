using System.Diagnostics;
using Townhall.Worker.Processes;
using Townhall.Worker.Tests.Harness;
using Townhall.Worker.Warden;

namespace Townhall.Worker.Tests.Lifetime;

/// <summary>However a worker ends, its commands end with it, and what it held goes back.</summary>
public sealed class EndOfWorkerTests
{
    [Theory]
    [InlineData("auto")]
    [InlineData("none")]
    public async Task Killing_the_worker_ends_every_process_of_its_commands(string sandbox)
    {
        await using var dispatcher = await FakeDispatcher.StartAsync();
        using var scratch = new Scratch();
        await using var worker = WorkerUnderTest.Start(dispatcher, scratch, ("TOWN_SANDBOX", sandbox));
        var sleep = Sleeps.UniqueSleep();
        Tree(dispatcher, sleep);
        await Sleeps.AppearAsync(sleep, 4, worker.Log);
        worker.Signal("KILL");
        await Sleeps.AreGoneAsync(sleep, TimeSpan.FromSeconds(2));
    }

    [Fact]
    public async Task What_is_left_of_a_sandbox_that_lost_its_outer_half_ends_with_the_worker()
    {
        var sleep = Sleeps.UniqueSleep();
        using var left = Process.Start(new ProcessStartInfo("sleep", [sleep]) { Environment = { ["TOWNHALL_TASK_ID"] = sleep, ["TOWNHALL_ATTEMPT"] = "1" } })!;
        using var warden = Process.Start(new ProcessStartInfo(WorkerUnderTest.Program, [Warden.Warden.Argument]) { RedirectStandardInput = true })!;
        using (var gone = Process.Start("true"))
        {
            await gone.WaitForExitAsync();
            var told = new Guarded($"TOWNHALL_TASK_ID={sleep}", "TOWNHALL_ATTEMPT=1", gone.Id, TreeShape.Namespace, long.MaxValue, Paused: false);
            await warden.StandardInput.WriteAsync(told.Line());
        }

        // Its input ends as it does when the worker dies.
        warden.StandardInput.Close();
        await left.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(20));
        Assert.Equal(137, left.ExitCode);
        await warden.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(20));
    }

    [Theory]
    [InlineData("auto")]
    [InlineData("none")]
    public async Task The_end_of_the_host_ends_the_worker_and_its_commands(string sandbox)
    {
        await using var dispatcher = await FakeDispatcher.StartAsync();
        using var scratch = new Scratch();
        var pipe = scratch.PathOf("lifetime");
        using (var mkfifo = System.Diagnostics.Process.Start("mkfifo", [pipe]))
        {
            await mkfifo.WaitForExitAsync();
        }

        var host = new FileStream(pipe, FileMode.Open, FileAccess.ReadWrite);
        await using var worker = WorkerUnderTest.Start(dispatcher, scratch, ("TOWN_SANDBOX", sandbox), ("TOWN_LIFETIME_PIPE", pipe));
        var sleep = Sleeps.UniqueSleep();
        Tree(dispatcher, sleep);
        await Sleeps.AppearAsync(sleep, 4, worker.Log);
        Assert.False(worker.HasExited);
        await host.DisposeAsync();
        Assert.Equal(0, await worker.ExitCodeAsync(TimeSpan.FromSeconds(5)));
        await Sleeps.AreGoneAsync(sleep, TimeSpan.FromSeconds(2));
    }

    [Fact]
    public async Task A_worker_whose_host_is_gone_before_it_starts_ends_too()
    {
        await using var dispatcher = await FakeDispatcher.StartAsync();
        using var scratch = new Scratch();
        var pipe = scratch.PathOf("lifetime");
        using (var mkfifo = System.Diagnostics.Process.Start("mkfifo", [pipe]))
        {
            await mkfifo.WaitForExitAsync();
        }

        await using var worker = WorkerUnderTest.Start(dispatcher, scratch, ("TOWN_LIFETIME_PIPE", pipe));
        Assert.Equal(0, await worker.ExitCodeAsync(TimeSpan.FromSeconds(8)));
    }

    [Fact]
    public async Task A_second_process_with_the_same_incarnation_says_so_and_leaves_the_first_alone()
    {
        await using var dispatcher = await FakeDispatcher.StartAsync();
        using var scratch = new Scratch();
        var incarnation = Guid.CreateVersion7().ToString();
        var lease = dispatcher.Enqueue("sh", "echo started; sleep 2; echo finished");
        await using var first = WorkerUnderTest.Start(dispatcher, scratch, ("TOWN_WORKER_INCARNATION", incarnation));
        await Eventually.TrueAsync(() => dispatcher.OutputOf(lease) == "started\n", () => first.Log);
        await using var twin = WorkerUnderTest.Start(dispatcher, scratch, ("TOWN_WORKER_INCARNATION", incarnation));
        Assert.Equal(78, await twin.ExitCodeAsync());
        Assert.Contains(incarnation, twin.Log, StringComparison.Ordinal);
        Assert.Single(dispatcher.Registrations);
        Assert.Equal("started\nfinished\n", (await dispatcher.ResultOfAsync(lease)).Result);
    }

    [Fact]
    public async Task Told_to_stop_it_lets_short_work_finish()
    {
        await using var dispatcher = await FakeDispatcher.StartAsync();
        using var scratch = new Scratch();
        await using var worker = WorkerUnderTest.Start(dispatcher, scratch);
        var lease = dispatcher.Enqueue("sh", "echo started; sleep 1; echo finished");
        await Eventually.TrueAsync(() => dispatcher.OutputOf(lease) == "started\n", () => worker.Log);
        worker.Signal("TERM");
        Assert.Equal(0, await worker.ExitCodeAsync());
        var result = await dispatcher.ResultOfAsync(lease);
        Assert.Equal(("completed", "started\nfinished\n"), (result.Outcome, result.Result));
        Assert.Equal("stopping", dispatcher.DrainCalls.First().Reason);
    }

    [Fact]
    public async Task Told_to_stop_it_releases_long_work_and_ends_its_processes()
    {
        await using var dispatcher = await FakeDispatcher.StartAsync();
        using var scratch = new Scratch();
        await using var worker = WorkerUnderTest.Start(dispatcher, scratch, ("TOWN_DRAIN_SECS", "1"));
        var sleep = Sleeps.UniqueSleep();
        var lease = Tree(dispatcher, sleep);
        await Sleeps.AppearAsync(sleep, 4, worker.Log);
        worker.Signal("TERM");
        await Eventually.SeesAsync(() => dispatcher.DrainCalls.FirstOrDefault(), "the signal was heard");
        var later = dispatcher.Enqueue("true", "x");
        Assert.Equal(0, await worker.ExitCodeAsync(TimeSpan.FromSeconds(5)));
        Assert.Equal("released", (await dispatcher.ResultOfAsync(lease)).Outcome);
        Assert.Empty(Sleeps.With(sleep));

        // The last lease call may have been granted while it was given up: then its lease went back.
        Assert.True(dispatcher.Results.GetValueOrDefault((later.TaskId, 1)) is null or { Outcome: "released" });
    }

    [Fact]
    public async Task Told_twice_it_stops_at_once()
    {
        await using var dispatcher = await FakeDispatcher.StartAsync();
        using var scratch = new Scratch();
        await using var worker = WorkerUnderTest.Start(dispatcher, scratch);
        var sleep = Sleeps.UniqueSleep();
        var lease = Tree(dispatcher, sleep);
        await Sleeps.AppearAsync(sleep, 4, worker.Log);
        worker.Signal("TERM");
        await Eventually.SeesAsync(() => dispatcher.DrainCalls.FirstOrDefault(), "the first signal was heard");
        worker.Signal("TERM");
        Assert.Equal(0, await worker.ExitCodeAsync(TimeSpan.FromSeconds(4)));
        Assert.Equal("released", (await dispatcher.ResultOfAsync(lease)).Outcome);
        Assert.Empty(Sleeps.With(sleep));
    }

    [Fact]
    public async Task Told_to_stop_while_nobody_answers_it_still_ends_in_time()
    {
        await using var dispatcher = await FakeDispatcher.StartAsync();
        using var scratch = new Scratch();
        await using var worker = WorkerUnderTest.Start(dispatcher, scratch, ("TOWN_DRAIN_SECS", "1"));
        var sleep = Sleeps.UniqueSleep();
        Tree(dispatcher, sleep);
        await Sleeps.AppearAsync(sleep, 4, worker.Log);
        foreach (var path in (string[])["settle", "drain", "lease", "output", "renew"])
        {
            dispatcher.Unavailable[path] = true;
        }

        worker.Signal("TERM");
        Assert.Equal(0, await worker.ExitCodeAsync(TimeSpan.FromSeconds(5)));
        Assert.Empty(Sleeps.With(sleep));
    }

    [Fact]
    public async Task An_idle_worker_leaves_only_when_the_dispatcher_agrees()
    {
        await using var dispatcher = await FakeDispatcher.StartAsync();
        using var scratch = new Scratch();
        dispatcher.IdleTimeoutSecs = 0.3;
        dispatcher.Unavailable["lease"] = true;
        var lease = dispatcher.Enqueue("noop", "waiting", runtime: "noop");
        await using var worker = WorkerUnderTest.Start(dispatcher, scratch);
        await Eventually.TrueAsync(() => dispatcher.DrainCalls.Count >= 2, () => worker.Log);
        Assert.False(worker.HasExited);
        dispatcher.Unavailable.Clear();
        Assert.Equal("completed", (await dispatcher.ResultOfAsync(lease)).Outcome);
        Assert.Equal(0, await worker.ExitCodeAsync());
        Assert.Equal(0, dispatcher.Held);
    }

    [Fact]
    public async Task Asking_in_vain_for_work_is_idleness_too()
    {
        await using var dispatcher = await FakeDispatcher.StartAsync();
        using var scratch = new Scratch();
        dispatcher.IdleTimeoutSecs = 2;
        dispatcher.LeaseSecs = 1.2;
        var lease = dispatcher.Enqueue("noop", "one", runtime: "noop");
        await using var worker = WorkerUnderTest.Start(dispatcher, scratch);
        await dispatcher.ResultOfAsync(lease);
        Assert.Equal(0, await worker.ExitCodeAsync(TimeSpan.FromSeconds(15)));
        Assert.True(dispatcher.LeaseCalls.Count > 4, $"{dispatcher.LeaseCalls.Count} lease calls came back empty before it left");
    }

    [Fact]
    public async Task Told_to_stay_an_idle_worker_stays()
    {
        await using var dispatcher = await FakeDispatcher.StartAsync();
        using var scratch = new Scratch();
        dispatcher.IdleTimeoutSecs = 0.1;
        await using var worker = WorkerUnderTest.Start(dispatcher, scratch, ("TOWN_EXIT_WHEN_IDLE", "false"));
        await dispatcher.ResultOfAsync(dispatcher.Enqueue("noop", "one", runtime: "noop"));
        await Eventually.TrueAsync(() => dispatcher.LeaseCalls.Count >= 3, () => "it does not ask for more", TimeSpan.FromSeconds(30));
        Assert.Empty(dispatcher.DrainCalls);
        Assert.False(worker.HasExited);
    }

    [Fact]
    public async Task Told_to_drain_by_the_dispatcher_it_finishes_and_leaves()
    {
        await using var dispatcher = await FakeDispatcher.StartAsync();
        using var scratch = new Scratch();
        await using var worker = WorkerUnderTest.Start(dispatcher, scratch);
        var lease = dispatcher.Enqueue("sh", "echo started; sleep 1; echo finished");
        await Eventually.TrueAsync(() => dispatcher.OutputOf(lease) == "started\n", () => worker.Log);
        dispatcher.Direct(new("drain", null, null, null));
        Assert.Equal(0, await worker.ExitCodeAsync());
        Assert.Equal("completed", (await dispatcher.ResultOfAsync(lease)).Outcome);
    }

    [Fact]
    public async Task What_a_killed_worker_left_behind_is_removed_by_the_next()
    {
        await using var dispatcher = await FakeDispatcher.StartAsync();
        using var scratch = new Scratch();
        var work = scratch.PathOf("work");
        await using (var first = WorkerUnderTest.Start(dispatcher, scratch))
        {
            var lease = dispatcher.Enqueue("sh", "echo x > left; ln -s /etc link; echo started; sleep 100");
            await Eventually.TrueAsync(() => dispatcher.OutputOf(lease) == "started\n", () => first.Log);
            first.Signal("KILL");
        }

        var left = Assert.Single(Directory.GetDirectories(work));
        await using var living = WorkerUnderTest.Start(dispatcher, scratch);
        await Eventually.TrueAsync(() => dispatcher.Registrations.Count == 2, () => living.Log);
        Assert.False(Directory.Exists(left));
        var own = Assert.Single(Directory.GetDirectories(work));
        await using var second = WorkerUnderTest.Start(dispatcher, scratch);
        await Eventually.TrueAsync(() => dispatcher.Registrations.Count == 3, () => second.Log);
        Assert.True(Directory.Exists(own));
        Assert.True(File.Exists("/etc/hostname"));
    }

    private static Contracts.Workers.Lease Tree(FakeDispatcher dispatcher, string sleep) =>
        dispatcher.Enqueue("sh", $"trap '' TERM; sleep {sleep} & setsid sleep {sleep} & (setsid sh -c 'sleep {sleep} &' &) ; sleep {sleep}");
}
