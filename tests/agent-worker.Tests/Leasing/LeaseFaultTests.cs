using Townhall.Contracts.Workers;
using Townhall.Worker.Tests.Harness;

namespace Townhall.Worker.Tests.Leasing;

/// <summary>Answers that are lost, late or unwelcome.</summary>
public sealed class LeaseFaultTests
{
    [Theory]
    [InlineData("lease")]
    [InlineData("settle")]
    [InlineData("output")]
    [InlineData("register")]
    public async Task A_lost_reply_costs_nothing_because_the_same_request_is_repeated(string path)
    {
        await using var dispatcher = await FakeDispatcher.StartAsync();
        using var scratch = new Scratch();
        dispatcher.LoseReplies[path] = 3;
        var leases = Enumerable.Range(0, 5).Select(i => dispatcher.Enqueue("sh", $"echo {i}")).ToList();
        await using var worker = WorkerUnderTest.Start(dispatcher, scratch);
        foreach (var lease in leases)
        {
            Assert.Equal("completed", (await dispatcher.ResultOfAsync(lease)).Outcome);
            Assert.Equal((await dispatcher.ResultOfAsync(lease)).Result, dispatcher.OutputOf(lease));
        }

        await Eventually.TrueAsync(() => dispatcher.LoseReplies[path] == 0, () => $"{dispatcher.LoseReplies[path]} replies were not lost. {worker.Log}");
        Assert.Single(dispatcher.Registrations);
        Assert.All(dispatcher.SettleCalls.SelectMany(static call => call.Results).GroupBy(static result => result.Lease.TaskId), static group => Assert.Single(group));
    }

    [Fact]
    public async Task A_result_is_delivered_when_the_dispatcher_is_back()
    {
        await using var dispatcher = await FakeDispatcher.StartAsync();
        using var scratch = new Scratch();
        dispatcher.Unavailable["settle"] = true;
        var lease = dispatcher.Enqueue("noop", "kept", runtime: "noop");
        await using var worker = WorkerUnderTest.Start(dispatcher, scratch);
        await Eventually.TrueAsync(() => dispatcher.Held == 1, () => worker.Log);
        Assert.Empty(dispatcher.Results);
        dispatcher.Unavailable.Clear();
        Assert.Equal("kept", (await dispatcher.ResultOfAsync(lease)).Result);
    }

    [Fact]
    public async Task A_long_attempt_is_renewed_and_keeps_running()
    {
        await using var dispatcher = await FakeDispatcher.StartAsync();
        using var scratch = new Scratch();
        dispatcher.LeaseSecs = 0.9;
        var lease = dispatcher.Enqueue("sh", "for i in 1 2 3 4; do sleep 0.9; echo $i; done");
        await using var worker = WorkerUnderTest.Start(dispatcher, scratch);
        var result = await dispatcher.ResultOfAsync(lease);
        Assert.Equal(("completed", "1\n2\n3\n4\n"), (result.Outcome, result.Result));
        Assert.True(dispatcher.RenewCalls.Count >= 5, $"{dispatcher.RenewCalls.Count} renewals in 3.6 s of 0.9 s leases");
    }

    [Theory]
    [InlineData("auto")]
    [InlineData("none")]
    public async Task Without_renewal_the_tree_freezes_and_with_it_goes_on(string sandbox)
    {
        await using var dispatcher = await FakeDispatcher.StartAsync();
        using var scratch = new Scratch();
        dispatcher.LeaseSecs = 2;
        var sleep = Sleeps.UniqueSleep();
        dispatcher.Enqueue("sh", $"sleep {sleep} & setsid sleep {sleep} & sleep {sleep}");
        await using var worker = WorkerUnderTest.Start(dispatcher, scratch, ("TOWN_SANDBOX", sandbox));
        await Sleeps.AppearAsync(sleep, 3, worker.Log);
        dispatcher.RenewVerdict = "503";
        await Sleeps.AreAllAsync(sleep, 'T');
        dispatcher.RenewVerdict = Verdicts.Held;
        await Sleeps.AreAllAsync(sleep, 'S');
        Assert.Equal(3, Sleeps.With(sleep).Count);
    }

    [Theory]
    [InlineData("auto")]
    [InlineData("none")]
    public async Task Commands_of_a_worker_that_stands_still_freeze_at_their_fence_and_go_on_with_a_renewal(string sandbox)
    {
        await using var dispatcher = await FakeDispatcher.StartAsync();
        using var scratch = new Scratch();
        dispatcher.LeaseSecs = 2;
        var sleep = Sleeps.UniqueSleep();
        dispatcher.Enqueue("sh", $"sleep {sleep} & setsid sleep {sleep} & sleep {sleep}");
        await using var worker = WorkerUnderTest.Start(dispatcher, scratch, ("TOWN_SANDBOX", sandbox));
        await Sleeps.AppearAsync(sleep, 3, worker.Log);
        await Eventually.TrueAsync(() => !dispatcher.RenewCalls.IsEmpty, () => worker.Log);
        worker.Signal("STOP");
        await Sleeps.AreAllAsync(sleep, 'T');
        worker.Signal("CONT");
        await Sleeps.AreAllAsync(sleep, 'S');
        Assert.Equal(3, Sleeps.With(sleep).Count);
    }

    [Fact]
    public async Task While_the_last_chance_of_a_task_runs_nothing_else_is_asked_for()
    {
        await using var dispatcher = await FakeDispatcher.StartAsync();
        using var scratch = new Scratch();
        dispatcher.LeaseSecs = 0.9;
        var alone = dispatcher.Enqueue("sh", "echo started; sleep 2", alone: true);
        await using var worker = WorkerUnderTest.Start(dispatcher, scratch);
        await Eventually.TrueAsync(() => dispatcher.OutputOf(alone) == "started\n", () => worker.Log);
        var other = dispatcher.Enqueue("sh", "echo other");
        var renewals = dispatcher.RenewCalls.Count;
        await Eventually.TrueAsync(() => dispatcher.RenewCalls.Count > renewals + 1, () => worker.Log);
        Assert.Equal(1, dispatcher.Queued);
        Assert.Equal("completed", (await dispatcher.ResultOfAsync(alone)).Outcome);
        Assert.Equal("completed", (await dispatcher.ResultOfAsync(other)).Outcome);
    }

    [Fact]
    public async Task Commands_of_a_paused_agent_stay_frozen_when_their_worker_comes_back()
    {
        await using var dispatcher = await FakeDispatcher.StartAsync();
        using var scratch = new Scratch();
        dispatcher.LeaseSecs = 2;
        var sleep = Sleeps.UniqueSleep();
        var lease = dispatcher.Enqueue("sh", $"sleep {sleep}");
        await using var worker = WorkerUnderTest.Start(dispatcher, scratch);
        await Sleeps.AppearAsync(sleep, 1, worker.Log);
        dispatcher.Direct(new("pause", lease.TaskId, lease.Epoch, null));
        await Sleeps.AreAllAsync(sleep, 'T');
        var renewals = dispatcher.RenewCalls.Count;
        worker.Signal("STOP");
        // The fault lasts for a lease: its fence is passed while nobody renews.
        await Task.Delay(TimeSpan.FromSeconds(2), TimeProvider.System);
        worker.Signal("CONT");
        await Eventually.TrueAsync(() => dispatcher.RenewCalls.Count > renewals + 2, () => worker.Log);
        await Sleeps.AreAllAsync(sleep, 'T');
        dispatcher.Direct(new("resume", lease.TaskId, lease.Epoch, null));
        await Sleeps.AreAllAsync(sleep, 'S');
    }

    [Fact]
    public async Task A_lost_lease_ends_the_frozen_tree_and_reports_nothing()
    {
        await using var dispatcher = await FakeDispatcher.StartAsync();
        using var scratch = new Scratch();
        dispatcher.LeaseSecs = 2;
        var sleep = Sleeps.UniqueSleep();
        var lease = dispatcher.Enqueue("sh", $"sleep {sleep} & sleep {sleep}");
        await using var worker = WorkerUnderTest.Start(dispatcher, scratch);
        await Sleeps.AppearAsync(sleep, 2, worker.Log);
        dispatcher.RenewVerdict = "503";
        await Sleeps.AreAllAsync(sleep, 'T');
        dispatcher.RenewVerdict = Verdicts.Lost;
        await Sleeps.AreGoneAsync(sleep);
        dispatcher.RenewVerdict = Verdicts.Held;
        var next = dispatcher.Enqueue("true", "x");
        Assert.Equal("completed", (await dispatcher.ResultOfAsync(next)).Outcome);
        Assert.DoesNotContain(dispatcher.SettleCalls.SelectMany(static call => call.Results), result => result.Lease.TaskId == lease.TaskId);
    }

    [Fact]
    public async Task A_cancel_that_comes_with_a_renewal_ends_the_tree_and_settles_as_cancelled()
    {
        await using var dispatcher = await FakeDispatcher.StartAsync();
        using var scratch = new Scratch();
        dispatcher.LeaseSecs = 2;
        dispatcher.RenewVerdict = Verdicts.Cancel;
        var sleep = Sleeps.UniqueSleep();
        var lease = dispatcher.Enqueue("sh", $"sleep {sleep} & sleep {sleep}");
        await using var worker = WorkerUnderTest.Start(dispatcher, scratch);
        Assert.Equal("cancelled", (await dispatcher.ResultOfAsync(lease)).Outcome);
        Assert.Empty(Sleeps.With(sleep));
    }

    [Theory]
    [InlineData("cancel", "auto", true)]
    [InlineData("cancel", "none", true)]
    [InlineData("kill", "auto", false)]
    [InlineData("kill", "none", false)]
    public async Task A_cancelled_command_may_say_goodbye_and_a_killed_one_may_not(string kind, string sandbox, bool goodbye)
    {
        await using var dispatcher = await FakeDispatcher.StartAsync();
        using var scratch = new Scratch();
        await using var worker = WorkerUnderTest.Start(dispatcher, scratch, ("TOWN_SANDBOX", sandbox));
        var sleep = Sleeps.UniqueSleep();
        var lease = dispatcher.Enqueue("sh", $"trap 'echo goodbye; exit 0' TERM; setsid sleep {sleep} & sleep {sleep} & echo started; wait");
        await Eventually.TrueAsync(() => dispatcher.OutputOf(lease) == "started\n", () => worker.Log);
        dispatcher.Direct(new(kind, lease.TaskId, 1, null));
        var result = await dispatcher.ResultOfAsync(lease);
        Assert.Equal((goodbye ? "cancelled" : "released", goodbye), (result.Outcome, dispatcher.OutputOf(lease).Contains("goodbye", StringComparison.Ordinal)));
        Assert.Empty(Sleeps.With(sleep));
    }

    [Fact]
    public async Task A_paused_agent_stands_still_until_it_is_resumed_and_can_be_cancelled_meanwhile()
    {
        await using var dispatcher = await FakeDispatcher.StartAsync();
        using var scratch = new Scratch();
        await using var worker = WorkerUnderTest.Start(dispatcher, scratch);
        var sleep = Sleeps.UniqueSleep();
        var lease = dispatcher.Enqueue("sh", $"sleep {sleep} & sleep {sleep}");
        await Sleeps.AppearAsync(sleep, 2, worker.Log);
        dispatcher.Direct(new("pause", lease.TaskId, 1, null));
        await Sleeps.AreAllAsync(sleep, 'T');
        await SaysPausedAsync(lease.TaskId);
        dispatcher.Direct(new("resume", lease.TaskId, 1, null));
        await Sleeps.AreAllAsync(sleep, 'S');
        await SaysPausedAsync();
        dispatcher.Direct(new("pause", lease.TaskId, null, null));
        await Sleeps.AreAllAsync(sleep, 'T');
        dispatcher.Direct(new("cancel", lease.TaskId, null, null));
        Assert.Equal("cancelled", (await dispatcher.ResultOfAsync(lease)).Outcome);
        Assert.Empty(Sleeps.With(sleep));

        // A poll is open already when something changes; the next one, which any directive brings about, says it.
        async Task SaysPausedAsync(params Guid[] tasks)
        {
            await Eventually.TrueAsync(
                () =>
                {
                    dispatcher.Direct(new("nothing", null, null, null));
                    return (dispatcher.DirectiveCalls.Last().Paused ?? []).SequenceEqual(tasks);
                },
                () => $"not said: {string.Join(',', tasks)}");
        }
    }

    [Fact]
    public async Task A_paused_attempt_keeps_its_lease_and_its_timeout_goes_on()
    {
        await using var dispatcher = await FakeDispatcher.StartAsync();
        using var scratch = new Scratch();
        dispatcher.LeaseSecs = 0.9;
        await using var worker = WorkerUnderTest.Start(dispatcher, scratch);
        var sleep = Sleeps.UniqueSleep();
        var lease = dispatcher.Enqueue("sh", $"sleep {sleep} & sleep {sleep}", timeoutSecs: 3);
        await Sleeps.AppearAsync(sleep, 2, worker.Log);
        dispatcher.Direct(new("pause", lease.TaskId, 1, null));
        await Sleeps.AreAllAsync(sleep, 'T');
        var renewed = dispatcher.RenewCalls.Count;
        Assert.Equal("timed_out", (await dispatcher.ResultOfAsync(lease)).FailureCode);
        Assert.True(dispatcher.RenewCalls.Count > renewed + 2, $"{dispatcher.RenewCalls.Count - renewed} renewals while it stood still");
        Assert.Empty(Sleeps.With(sleep));
    }

    [Fact]
    public async Task A_paused_attempt_can_be_killed()
    {
        await using var dispatcher = await FakeDispatcher.StartAsync();
        using var scratch = new Scratch();
        await using var worker = WorkerUnderTest.Start(dispatcher, scratch);
        var sleep = Sleeps.UniqueSleep();
        var lease = dispatcher.Enqueue("sh", $"sleep {sleep} & sleep {sleep}");
        await Sleeps.AppearAsync(sleep, 2, worker.Log);
        dispatcher.Direct(new("pause", lease.TaskId, 1, null));
        await Sleeps.AreAllAsync(sleep, 'T');
        dispatcher.Direct(new("kill", lease.TaskId, 1, null));
        Assert.Equal("released", (await dispatcher.ResultOfAsync(lease)).Outcome);
        Assert.Empty(Sleeps.With(sleep));
    }

    [Fact]
    public async Task A_worker_that_is_forgotten_ends_everything_and_registers_as_somebody_new()
    {
        await using var dispatcher = await FakeDispatcher.StartAsync();
        using var scratch = new Scratch();
        await using var worker = WorkerUnderTest.Start(dispatcher, scratch);
        var sleep = Sleeps.UniqueSleep();
        var lost = dispatcher.Enqueue("sh", $"sleep {sleep} & sleep {sleep}");
        await Sleeps.AppearAsync(sleep, 2, worker.Log);
        dispatcher.RefuseTokens = true;
        await Eventually.TrueAsync(() => dispatcher.Registrations.Count >= 2, () => worker.Log);
        await Sleeps.AreGoneAsync(sleep);
        dispatcher.RefuseTokens = false;
        Assert.Equal("completed", (await dispatcher.ResultOfAsync(dispatcher.Enqueue("true", "x"))).Outcome);
        Assert.False(dispatcher.Results.ContainsKey((lost.TaskId, 1)));
        Assert.Equal(dispatcher.Registrations.Count, dispatcher.Registrations.Select(static registered => registered.Incarnation).Distinct().Count());
    }

    [Fact]
    public async Task What_had_ended_before_the_worker_was_declared_lost_is_still_handed_in()
    {
        await using var dispatcher = await FakeDispatcher.StartAsync();
        using var scratch = new Scratch();
        dispatcher.Unavailable["settle"] = true;
        var ended = dispatcher.Enqueue("noop", "kept", runtime: "noop");
        await using var worker = WorkerUnderTest.Start(dispatcher, scratch);
        await Eventually.TrueAsync(() => dispatcher.Held == 1, () => worker.Log);
        (dispatcher.HearLate, dispatcher.RefuseTokens) = (true, true);
        await Eventually.TrueAsync(() => dispatcher.Refused > 0, () => worker.Log);
        dispatcher.Unavailable.Clear();
        Assert.Equal("kept", (await dispatcher.ResultOfAsync(ended)).Result);
        await Eventually.TrueAsync(() => dispatcher.Registrations.Count >= 2, () => worker.Log);
    }

    [Fact]
    public async Task An_unknown_runtime_is_a_failure_with_a_name()
    {
        await using var dispatcher = await FakeDispatcher.StartAsync();
        using var scratch = new Scratch();
        await using var worker = WorkerUnderTest.Start(dispatcher, scratch, ("TOWN_WORKER_RUNTIMES", "noop"));
        Assert.Equal("unknown_runtime", (await dispatcher.ResultOfAsync(dispatcher.Enqueue("sh", "x"))).FailureCode);
        Assert.Equal(["noop"], dispatcher.Registrations.Single().Runtimes);
    }

    [Fact]
    public async Task Output_that_nobody_takes_is_dropped_and_counted_and_the_work_goes_on()
    {
        await using var dispatcher = await FakeDispatcher.StartAsync();
        using var scratch = new Scratch();
        dispatcher.OutputLimitBytes = 1000;
        var lease = dispatcher.Enqueue("sh", "seq 1 100000; printf end > \"$TOWNHALL_RESULT_FILE\"");
        await using var worker = WorkerUnderTest.Start(dispatcher, scratch);
        var result = await dispatcher.ResultOfAsync(lease);
        Assert.Equal(("completed", "end", 588_895L, 1000), (result.Outcome, result.Result, result.OutputBytes, dispatcher.BytesOf(lease).Length));
    }
}
