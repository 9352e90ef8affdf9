using Npgsql;
using Townhall.Testing;

namespace Townhall.Faults;

/// <summary>How a town is built for one scenario.</summary>
/// <param name="Lease">Length of every lease, s.</param>
/// <param name="WrapTownhall">A program and its arguments that the service is started by, such as <c>prlimit</c>.</param>
public sealed record TownOptions(
    int Dispatchers = 1, int Workers = 1, double Lease = 3, int Slots = 8, bool Edge = false, int DrainSecs = 8, int? CommandMemoryMb = null, string? Tablespace = null,
    IReadOnlyList<string>? WrapTownhall = null, IReadOnlyList<string>? WrapDispatcher = null, IReadOnlyList<string>? WrapWorker = null);

/// <summary>A town of real processes with a fault proxy on every connection between them, an empty database and a Redis of its own.</summary>
public sealed class TownUnderTest : IAsyncDisposable
{
    private readonly FaultRun _run;
    private readonly TownOptions _options;
    private readonly string _folder = Directory.CreateTempSubdirectory("townhall-faults-").FullName;
    private readonly List<FaultProxy> _proxies = [];

    private TownUnderTest(FaultRun run, TownOptions options, PostgresInstance postgres, TestDatabase database, RedisInstance redis)
    {
        (_run, _options, Postgres, Database, Redis) = (run, options, postgres, database, redis);
        File.WriteAllText(KeyFile, "thw_" + Guid.NewGuid().ToString("N") + Guid.NewGuid().ToString("N"));
        File.SetUnixFileMode(KeyFile, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        TownhallToPostgres = Proxy(() => [Postgres.Port]);
        DispatcherToPostgres = Proxy(() => [Postgres.Port]);
        TownhallToRedis = Proxy(() => [Redis.Port]);
        DispatcherToRedis = Proxy(() => [Redis.Port]);
        WorkerToDispatcher = Proxy(() => [.. Dispatchers.Where(static one => one.Runs).Select(static one => one.Port)]);
        Townhall = new Part("services/townhall", () => Settings(TownhallToPostgres, TownhallToRedis), run, options.WrapTownhall);
        for (var i = 0; i < options.Dispatchers; i++)
        {
            Dispatchers.Add(new Part("services/dispatcher", () => Settings(DispatcherToPostgres, DispatcherToRedis), run, options.WrapDispatcher));
        }

        for (var i = 0; i < options.Workers; i++)
        {
            Workers.Add(NewWorker($"worker-{i}"));
        }

        Edge = options.Edge ? new Part("services/edge", EdgeSettings, run) : null;
        Client = new TownClient((Edge ?? Townhall).Port, run.History, run.Seed);
    }

    public PostgresInstance Postgres { get; }

    public TestDatabase Database { get; }

    public RedisInstance Redis { get; }

    public EffectsJournal Effects { get; } = new();

    public FaultProxy TownhallToPostgres { get; }

    public FaultProxy DispatcherToPostgres { get; }

    public FaultProxy TownhallToRedis { get; }

    public FaultProxy DispatcherToRedis { get; }

    public FaultProxy WorkerToDispatcher { get; }

    public IReadOnlyList<FaultProxy> Proxies => _proxies;

    public Part Townhall { get; }

    public List<Part> Dispatchers { get; } = [];

    public List<Part> Workers { get; } = [];

    public Part? Edge { get; }

    public TownClient Client { get; }

    /// <summary>Settings that the services get at their next start beside the usual ones.</summary>
    public Dictionary<string, string> More { get; } = new(StringComparer.Ordinal);

    /// <summary>Leases of this length, s.</summary>
    public double Lease => _options.Lease;

    /// <summary>Whether work is queued in a stream of Redis: so with every third seed.</summary>
    public bool Streams => _run.Seed % 3 == 2;

    /// <summary>Where the key is that lets a process register as a worker.</summary>
    public string KeyFile => Path.Combine(_folder, "worker.key");

    /// <summary>Starts a town that is ready for work.</summary>
    public static async Task<TownUnderTest> StartAsync(
        FaultRun run, TownOptions options, CancellationToken deadline, PostgresInstance? postgres = null, RedisInstance? redis = null)
    {
        postgres ??= await Servers.PostgresAsync(deadline);
        redis ??= await Servers.RedisAsync(deadline);
        var town = new TownUnderTest(run, options, postgres, await PostgresServer.CopyAsync(postgres, deadline, options.Tablespace), redis);
        try
        {
            await town.StartAllAsync(deadline);
            return town;
        }
        catch
        {
            await town.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts every part that does not run.</summary>
    public async Task StartAllAsync(CancellationToken deadline)
    {
        Part[] services = [.. new[] { Townhall, Edge }.OfType<Part>(), .. Dispatchers];
        await Task.WhenAll(services.Concat(Workers).Where(static one => !one.Runs).Select(static one => one.BeginAsync()));
        await Task.WhenAll(services.Select(one => one.ReadyAsync(deadline)));
        await Eventually.Is(
            () => TryScalarAsync<long>("SELECT count(*) FROM worker WHERE state = 'active' AND seen_at > now() - interval '5 s'", deadline),
            active => active >= Workers.Count(static one => one.Runs), deadline, "workers to register");
    }

    /// <summary>A worker beside those the town began with; not started.</summary>
    public Part NewWorker(string name, params (string Key, string Value)[] more) => new(
        "services/agent-worker",
        () =>
        {
            var settings = new Dictionary<string, string>(StringComparer.Ordinal)
            {
                ["TOWN_DISPATCHER_URL"] = $"http://127.0.0.1:{WorkerToDispatcher.Port}",
                ["TOWN_WORKER_KEY_FILE"] = KeyFile,
                ["TOWN_WORKER_NAME"] = name,
                ["TOWN_WORKER_SLOTS"] = $"{_options.Slots}",
                ["TOWN_EXIT_WHEN_IDLE"] = "false",
                ["TOWN_DRAIN_SECS"] = $"{_options.DrainSecs}",
            };
            if (_options.CommandMemoryMb is { } memory)
            {
                settings["TOWN_COMMAND_MEMORY_MB"] = $"{memory}";
            }

            foreach (var (key, value) in more)
            {
                settings[key] = value;
            }

            return settings;
        },
        _run, _options.WrapWorker, listens: false);

    /// <summary>Makes <paramref name="count"/> agents, in-process ones or fake ones with an effects journal.</summary>
    /// <returns>Their names.</returns>
    public async Task<string[]> AgentsAsync(
        int count, CancellationToken deadline, bool fake = true, int concurrency = 4, int attempts = 1, double? timeout = null)
    {
        var names = Enumerable.Range(0, count).Select(i => $"{(fake ? "fake" : "noop")}-{Guid.NewGuid():N}"[..16] + $"-{i}").ToArray();
        foreach (var name in names)
        {
            await Client.SpawnAsync(
                new
                {
                    name,
                    cli = fake ? Effects.CommandLine : "noop",
                    max_concurrency = concurrency,
                    max_attempts = attempts,
                    timeout_secs = timeout ?? 600,
                    grant = new { network = "none", read = Array.Empty<string>(), write = new[] { Effects.Folder } },
                },
                deadline);
        }

        return names;
    }

    /// <summary>The first column of the first row by the owner's own way to the database; default while it does not answer.</summary>
    public async Task<T?> TryScalarAsync<T>(string sql, CancellationToken deadline)
    {
        try
        {
            return await Database.ScalarAsync<T>(sql, deadline);
        }
        catch (Exception away) when (away is NpgsqlException or TimeoutException)
        {
            return default;
        }
    }

    public async Task<string?> StateAsync(Guid task, CancellationToken deadline) => await TryScalarAsync<string>(
        $"SELECT state FROM task WHERE id = '{task}' UNION ALL SELECT state FROM task_history WHERE id = '{task}'", deadline);

    public Task RunningAsync(Guid task, CancellationToken deadline) =>
        Eventually.Is("running", () => StateAsync(task, deadline), deadline, "the task's state");

    public Task<string?> EndedAsync(Guid task, CancellationToken deadline) =>
        Eventually.Is(() => StateAsync(task, deadline), static state => state is "completed" or "failed" or "cancelled" or "dead", deadline, "the task to end");

    /// <summary>Waits until an attempt of the task has written its first line.</summary>
    public Task StartedAsync(Guid task, int epoch, CancellationToken deadline) =>
        Eventually.Holds(() => Effects.Read().Any(effect => effect.Task == task && effect.Epoch == epoch), deadline, $"attempt {epoch} to start");

    /// <summary>Waits until nothing is left to do and every entry is sealed.</summary>
    public async Task QuietAsync(CancellationToken deadline)
    {
        await Eventually.Is(
            () => TryScalarAsync<string>($"""
                SELECT (SELECT count(*) FROM task WHERE town = '{Database.Town}') || ' live, '
                    || (SELECT count(*) FROM ledger_pending WHERE town = '{Database.Town}') || ' unsealed'
                """, deadline),
            static left => left == "0 live, 0 unsealed", deadline, "the town to be done");
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var part in (Part[])[.. Workers, .. Dispatchers, Townhall, .. new[] { Edge }.OfType<Part>()])
        {
            await part.DisposeAsync();
        }

        Client.Dispose();
        foreach (var proxy in _proxies)
        {
            await proxy.DisposeAsync();
        }

        await Database.DisposeAsync();
        Effects.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private FaultProxy Proxy(Func<IReadOnlyList<int>> targets)
    {
        var proxy = FaultProxy.Start(targets, _run.Seed + _proxies.Count);
        _proxies.Add(proxy);
        return proxy;
    }

    private Dictionary<string, string> Settings(FaultProxy postgres, FaultProxy redis)
    {
        var settings = Database.Settings();
        foreach (var name in (string[])["ConnectionStrings__town", "ConnectionStrings__town-sequencer"])
        {
            settings[name] = new NpgsqlConnectionStringBuilder(settings[name]) { Port = postgres.Port }.ConnectionString;
        }

        settings["ConnectionStrings__redis"] = $"127.0.0.1:{redis.Port}";
        settings["TOWN_LEASE_SECS"] = FormattableString.Invariant($"{_options.Lease}");
        settings["TOWN_REAPER_SECS"] = "0.5";
        // Both queues get their share of the seeds.
        settings["TOWN_USE_STREAMS"] = Streams ? "true" : "false";
        settings["TOWN_WORKER_KEY_FILE"] = KeyFile;
        settings["TOWN_DATA"] = _folder;
        foreach (var (key, value) in More)
        {
            settings[key] = value;
        }

        return settings;
    }

    private Dictionary<string, string> EdgeSettings() => new(StringComparer.Ordinal)
    {
        ["TOWN_NAME"] = Database.Town,
        ["services__townhall__http__0"] = $"http://127.0.0.1:{Townhall.Port}",
        // Nobody listens there: this town has neither.
        ["services__scaler__http__0"] = "http://127.0.0.1:9",
        ["services__notifier__http__0"] = "http://127.0.0.1:9",
    };
}
