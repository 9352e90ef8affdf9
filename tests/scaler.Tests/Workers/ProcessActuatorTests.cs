using Townhall.Testing;

namespace Townhall.Scaler.Tests.Workers;

public sealed class ProcessActuatorTests(PostgresServer postgres, RedisServer redis) : IClassFixture<PostgresServer>, IClassFixture<RedisServer>
{
    private const string Works = "exec sleep 600";
    private readonly CancellationToken _deadline = Deadline.Of(TimeSpan.FromSeconds(60));

    [Fact]
    public async Task Work_starts_a_worker_with_its_key_and_without_our_secrets()
    {
        await using var database = await postgres.CreateDatabaseAsync(_deadline);
        await using var workers = FakeWorkers.That(Works);
        await using var scaler = await ServiceProcess.StartAsync(
            "services/scaler",
            workers.Settings(
                database, redis.Instance, ("TOWN_COMMAND_ENV", "MODEL_KEY,ConnectionStrings__town"), ("MODEL_KEY", "m"), ("TOWN_APP_PASSWORD", "p"),
                ("TOWN_WORKER_RUNTIMES", "noop"), ("TOWN_COMMAND_USER", "nobody"), ("UNRELATED", "u")),
            _deadline);
        Assert.Empty(workers.Pids());

        await Seed.TasksAsync(database, await Seed.AgentAsync(database, "a", _deadline), 1, _deadline);
        var pid = (await Eventually.Is(workers.Pids, static pids => pids.Count > 0, _deadline)).Single();
        var given = workers.Given(pid);

        Assert.Equal("the-worker-key-of-this-test-0123456789", given["key"]);
        Assert.Equal(
            ("0", "http://127.0.0.1:1", "8", "noop", "nobody", "m", database.Town),
            (given["TOWN_WORKER_KEY_FD"], given["TOWN_DISPATCHER_URL"], given["TOWN_WORKER_SLOTS"], given["TOWN_WORKER_RUNTIMES"],
             given["TOWN_COMMAND_USER"], given["MODEL_KEY"], given["TOWN_NAME"]));
        Assert.DoesNotContain(
            given.Keys,
            static name => name.StartsWith("ConnectionStrings", StringComparison.Ordinal)
                || name is "TOWN_WORKER_KEY_FILE" or "TOWN_APP_PASSWORD" or "UNRELATED" or "TOWN_WORKER_COMMAND");
        Assert.Equal(pid.ToString(System.Globalization.CultureInfo.InvariantCulture), given["session"]);
        await Eventually.Holds(
            () => File.ReadAllText(Path.Combine(workers.Home, "data", "logs", "worker-1.log")).Contains("was here", StringComparison.Ordinal), _deadline);
    }

    [Fact]
    public async Task One_start_is_enough_while_it_is_on_its_way_and_no_more_than_the_ceiling_are_started()
    {
        await using var database = await postgres.CreateDatabaseAsync(_deadline);
        await using var workers = FakeWorkers.That(Works);
        await using var scaler = await ServiceProcess.StartAsync(
            "services/scaler", workers.Settings(database, redis.Instance, ("TOWN_MAX_WORKERS", "3"), ("TOWN_WORKER_SLOTS", "2")), _deadline);
        var agent = await Seed.AgentAsync(database, "a", _deadline, concurrency: 1000);

        await Seed.TasksAsync(database, agent, 1, _deadline);
        await Eventually.Is(workers.Pids, static pids => pids.Count > 0, _deadline);
        await TurnsAsync();
        Assert.Single(workers.Pids());

        await Seed.TasksAsync(database, agent, 100, _deadline);
        await Eventually.Is(workers.Pids, static pids => pids.Count == 3, _deadline);
        foreach (var pid in workers.Pids())
        {
            await workers.RegisterAsync(database, pid, _deadline);
        }

        await TurnsAsync();
        Assert.Equal(3, workers.Pids().Count);
    }

    [Fact]
    public async Task Workers_live_on_when_the_scaler_is_killed_and_the_next_one_knows_them()
    {
        await using var database = await postgres.CreateDatabaseAsync(_deadline);
        await using var workers = FakeWorkers.That("while sleep 0.05; do echo alive; done");
        var settings = workers.Settings(database, redis.Instance);
        var agent = await Seed.AgentAsync(database, "a", _deadline);
        await Seed.TasksAsync(database, agent, 1, _deadline);
        int pid;
        await using (var first = await ServiceProcess.StartAsync("services/scaler", settings, _deadline))
        {
            pid = (await Eventually.Is(workers.Pids, static pids => pids.Count > 0, _deadline)).Single();
            await first.Process.KillAsync(_deadline);
        }

        // Killed in mid-start: the note on disk keeps the next scaler from starting another.
        await using var second = await ServiceProcess.StartAsync("services/scaler", settings, _deadline);
        await TurnsAsync();
        Assert.Equal([pid], workers.Pids());

        // It still writes, so neither a broken pipe nor a full one hurts it.
        var log = new FileInfo(Path.Combine(workers.Home, "data", "logs", "worker-1.log"));
        var length = log.Length;
        await Eventually.Is(
            () =>
            {
                log.Refresh();
                return log.Length;
            },
            now => now > length,
            _deadline);

        await workers.RegisterAsync(database, pid, _deadline);
        await TurnsAsync();
        Assert.Equal([pid], workers.Alive());
        Assert.Equal([pid], workers.Pids());
        Assert.Empty(Directory.EnumerateFiles(Path.Combine(workers.Home, "data", "starting")));
    }

    [Fact]
    public async Task A_worker_that_dies_is_lost_at_once_and_its_leases_end()
    {
        await using var database = await postgres.CreateDatabaseAsync(_deadline);
        await using var workers = FakeWorkers.That(Works);
        await using var scaler = await ServiceProcess.StartAsync("services/scaler", workers.Settings(database, redis.Instance), _deadline);
        var agent = await Seed.AgentAsync(database, "a", _deadline);
        await Seed.TasksAsync(database, agent, 1, _deadline);
        var pid = (await Eventually.Is(workers.Pids, static pids => pids.Count > 0, _deadline)).Single();

        // Registered under an id of its own, as after a second registration: recognised by its process.
        var worker = await Seed.WorkerAsync(database, _deadline, pid: pid);
        await Seed.LeaseAsync(database, agent, worker, _deadline);
        await TurnsAsync();
        Signals.Send(pid, Signals.Kill);

        await Eventually.Is("lost", () => database.ScalarAsync<string>($"SELECT state FROM worker WHERE id = '{worker}'", _deadline), _deadline);
        Assert.Equal(1L, await database.ScalarAsync<long>("SELECT count(*) FROM task WHERE state = 'running' AND lease_until <= now()", _deadline));
        Assert.Equal(
            "WorkerLost failure 1",
            await database.ScalarAsync<string>(
                "SELECT action || ' ' || outcome || ' ' || (detail::jsonb ->> 'leases') FROM ledger_pending WHERE action = 'WorkerLost'", _deadline));
    }

    [Fact]
    public async Task A_worker_that_drained_has_simply_ended()
    {
        await using var database = await postgres.CreateDatabaseAsync(_deadline);
        await using var workers = FakeWorkers.That($"while ! [ -e \"$TOWN_DATA/end\" ]; do sleep 0.02; done");
        await using var scaler = await ServiceProcess.StartAsync("services/scaler", workers.Settings(database, redis.Instance), _deadline);
        var agent = await Seed.AgentAsync(database, "a", _deadline);
        await Seed.TasksAsync(database, agent, 1, _deadline);
        var pid = (await Eventually.Is(workers.Pids, static pids => pids.Count > 0, _deadline)).Single();
        await workers.RegisterAsync(database, pid, _deadline);
        await Seed.LeaseAsync(database, agent, Guid.Parse(workers.Given(pid)["TOWN_WORKER_INCARNATION"]), _deadline);
        await Seed.FinishAsync(database, _deadline);
        await database.ExecuteAsync("UPDATE worker SET state = 'drained', ended_at = now()", _deadline);
        await File.WriteAllTextAsync(Path.Combine(workers.Home, "data", "end"), string.Empty, _deadline);

        await Eventually.Holds(() => scaler.Process.Log.Contains("ended with code 0", StringComparison.Ordinal), _deadline);
        Assert.Equal(0L, await database.ScalarAsync<long>("SELECT count(*) FROM ledger_pending WHERE action = 'WorkerLost'", _deadline));
        await TurnsAsync();
        Assert.Equal([pid], workers.Pids());

        // The next task starts it again.
        File.Delete(Path.Combine(workers.Home, "data", "end"));
        await Seed.TasksAsync(database, agent, 1, _deadline);
        await Eventually.Is(workers.Pids, static pids => pids.Count == 2, _deadline);
    }

    [Fact]
    public async Task A_worker_that_cannot_start_is_tried_less_and_less()
    {
        await using var database = await postgres.CreateDatabaseAsync(_deadline);
        await using var workers = FakeWorkers.That("exit 78");
        await using var scaler = await ServiceProcess.StartAsync(
            "services/scaler", workers.Settings(database, redis.Instance, ("TOWN_MAX_WORKERS", "5"), ("TOWN_WORKER_SLOTS", "1")), _deadline);
        await Seed.TasksAsync(database, await Seed.AgentAsync(database, "a", _deadline, concurrency: 10), 3, _deadline);

        await Eventually.Holds(() => scaler.Process.Log.Contains("ended with code 78", StringComparison.Ordinal), _deadline);
        await TurnsAsync(seconds: 6);

        // 3 at first; then one after each pause of 1 s, 2 s, 4 s …, because each of the three counted.
        Assert.InRange(workers.Pids().Count, 3, 7);
    }

    [Fact]
    public async Task A_ring_is_heard_at_once()
    {
        await using var database = await postgres.CreateDatabaseAsync(_deadline);
        await using var workers = FakeWorkers.That(Works);
        await using var scaler = await ServiceProcess.StartAsync("services/scaler", workers.Settings(database, redis.Instance), _deadline);
        await Eventually.Is(
            async () => await redis.Instance.CommandAsync(_deadline, "PUBSUB", "NUMSUB", $"town:{database.Town}:work"),
            static reply => reply.EndsWith(":1\r\n", StringComparison.Ordinal),
            _deadline);
        var agent = await Seed.AgentAsync(database, "a", _deadline);

        var began = TimeProvider.System.GetTimestamp();
        await Seed.TasksAsync(database, agent, 1, _deadline);
        await redis.Instance.CommandAsync(_deadline, "PUBLISH", $"town:{database.Town}:work", agent.ToString());
        await Eventually.Is(workers.Pids, static pids => pids.Count > 0, _deadline);

        // By looking alone it takes half a second on average; here three attempts' worth of scheduling is allowed for.
        Assert.InRange(TimeProvider.System.GetElapsedTime(began), TimeSpan.Zero, TimeSpan.FromMilliseconds(900));
    }

    [Fact]
    public async Task Wrong_settings_are_named_all_at_once()
    {
        await using var database = await postgres.CreateDatabaseAsync(_deadline);
        var settings = database.Settings(redis.Instance);
        settings["TOWN_ACTUATOR"] = "process";
        await using var scaler = await ServiceProcess.BeginAsync("services/scaler", settings);

        Assert.Equal(78, await scaler.Process.ExitAsync(_deadline));
        await Eventually.Holds(
            () => scaler.Process.Log.Contains("TOWN_WORKER_COMMAND", StringComparison.Ordinal)
                && scaler.Process.Log.Contains("TOWN_WORKER_KEY_FILE", StringComparison.Ordinal)
                && scaler.Process.Log.Contains("services__dispatcher__http__0", StringComparison.Ordinal),
            _deadline);
    }

    /// <summary>Lets the loop look a few times: what must not happen has had its chance.</summary>
    private Task TurnsAsync(double seconds = 2.5) => Task.Delay(TimeSpan.FromSeconds(seconds), TimeProvider.System, _deadline);
}
