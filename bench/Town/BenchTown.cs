using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;
using Npgsql;
using Townhall.Bench.Load;
using Townhall.Bench.Proc;
using Townhall.Contracts.Keys;
using Townhall.Testing;

namespace Townhall.Bench.Town;

/// <summary>What beside townhall itself takes part.</summary>
[Flags]
internal enum TownParts
{
    None = 0,
    Dispatcher = 1,
    Edge = 2,
}

/// <summary>A town put together from its real processes, each started by hand, so that each can be watched and left out.</summary>
internal sealed class BenchTown : IAsyncDisposable
{
    private readonly Options _options;
    private readonly Servers _servers;
    private readonly List<IAsyncDisposable> _started = [];
    private readonly List<(string Name, int Pid)> _processes;

    private BenchTown(Options options, Servers servers)
    {
        (_options, _servers) = (options, servers);
        _processes = [("load generator", Environment.ProcessId), ("postgres", servers.PostgresPid), ("redis", servers.RedisPid)];
        Owner = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(servers.Connection("town_admin")) { MaxPoolSize = 2 });
    }

    /// <summary>For reading results only; nothing is arranged behind the services' backs.</summary>
    public NpgsqlDataSource Owner { get; }

    public ServiceProcess Townhall { get; private set; } = null!;

    public ServiceProcess? Edge { get; private set; }

    /// <summary>The named key that calls are made with; null without authentication.</summary>
    public string? Key { get; private set; }

    private string AdminKeyFile => Path.Combine(_servers.Folder, "admin.key");

    private string KeyFile => Path.Combine(_servers.Folder, "worker.key");

    public static async Task<BenchTown> StartAsync(Options options, TownParts parts, CancellationToken deadline)
    {
        Report.Progress("starting Postgres, Redis and the services");
        var town = new BenchTown(options, await Servers.StartAsync(options, deadline));
        try
        {
            await town.ApplySchemaAsync(deadline);
            await File.WriteAllTextAsync(town.KeyFile, $"thw_{Guid.NewGuid():N}{Guid.NewGuid():N}", deadline);
            await town.StartTownhallAsync(deadline);
            if (parts.HasFlag(TownParts.Dispatcher))
            {
                town.Dispatcher = await town.StartAsync("services/dispatcher", deadline);
            }

            if (parts.HasFlag(TownParts.Edge))
            {
                town.Edge = await town.StartAsync("services/edge", deadline);
            }

            return town;
        }
        catch
        {
            await town.DisposeAsync();
            throw;
        }
    }

    /// <summary>In mode <c>api_key</c>, with a named key as callers have one.</summary>
    private async Task StartTownhallAsync(CancellationToken deadline)
    {
        if (_options.WithoutKeys)
        {
            Townhall = await StartAsync("services/townhall", deadline);
            return;
        }

        var (admin, _, _) = KeyFormat.Make();
        await File.WriteAllTextAsync(AdminKeyFile, admin, deadline);
        _options.Environment["TOWN_AUTH_MODE"] = "api_key";
        _options.Environment["TOWN_ADMIN_KEY_FILE"] = AdminKeyFile;
        Townhall = await StartAsync("services/townhall", deadline);
        Townhall.Client.DefaultRequestHeaders.Authorization = new("Bearer", admin);
        using var made = await Townhall.Client.PostAsJsonAsync(
            new Uri("/v1/keys", UriKind.Relative), new { name = "bench", scopes = (string[])["town.read", "town.write", "agent.manage"] }, deadline);
        made.EnsureSuccessStatusCode();
        using var told = await JsonDocument.ParseAsync(await made.Content.ReadAsStreamAsync(deadline), cancellationToken: deadline);
        Key = told.RootElement.GetProperty("key").GetString();
    }

    private ServiceProcess? Dispatcher { get; set; }

    /// <summary>Starts the dispatcher of a town that was started without one.</summary>
    public async Task StartDispatcherAsync(CancellationToken deadline) => Dispatcher = await StartAsync("services/dispatcher", deadline);

    /// <summary>Spawns the agents that work is assigned to: runtime <c>noop</c>, 16 tasks at once each.</summary>
    /// <param name="count">Null for as many as the options say.</param>
    public async Task<IReadOnlyList<byte[]>> SpawnAgentsAsync(Uri target, CancellationToken deadline, int? count = null)
    {
        var requests = new List<byte[]>();
        for (var i = 0; i < (count ?? _options.Agents); i++)
        {
            var name = string.Create(CultureInfo.InvariantCulture, $"bench-{i:d4}");
            using var spawned = await Townhall.Client.PostAsJsonAsync(
                new Uri("/v1/agents", UriKind.Relative), new { name, cli = "noop", max_concurrency = 16 }, deadline);
            if (!spawned.IsSuccessStatusCode)
            {
                throw new NotMeasuredException($"An agent was refused: {await spawned.Content.ReadAsStringAsync(deadline)}");
            }

            // 200 bytes of work, as the systems in the comparison had.
            requests.Add(LoadThread.Post(target, "/v1/tasks/assign", $$"""{"agent":"{{name}}","task":"{{new string('x', 200)}}"}""", Key));
        }

        return requests;
    }

    /// <summary>Starts one worker that offers <c>noop</c> and never ends by itself.</summary>
    public async Task<KeptProcess> StartWorkerAsync()
    {
        var worker = await KeptProcess.StartAsync("agent-worker", Programs.Dotnet(), [Programs.Built("services/agent-worker")], WithOptions(new()
        {
            ["TOWN_DISPATCHER_URL"] = Dispatcher!.Address.ToString(),
            ["TOWN_WORKER_KEY_FILE"] = KeyFile,
            ["TOWN_WORKER_NAME"] = "bench",
            ["TOWN_WORKER_SLOTS"] = _options.Slots.ToString(CultureInfo.InvariantCulture),
            ["TOWN_WORKER_RUNTIMES"] = "noop",
            ["TOWN_EXIT_WHEN_IDLE"] = "false",
            ["TOWN_DATA"] = _servers.Folder,
        }));
        _started.Add(worker);
        _processes.Add(("agent-worker", worker.Pid));
        return worker;
    }

    /// <summary>Tells a worker to end and waits until it has.</summary>
    public async Task EndWorkerAsync(KeptProcess worker, CancellationToken deadline)
    {
        await worker.StopAsync(deadline);
        _processes.RemoveAll(one => one.Pid == worker.Pid);
    }

    public CpuMeter StartCpuMeter()
    {
        var meter = new CpuMeter([.. _processes], TimeProvider.System);
        meter.Start();
        return meter;
    }

    /// <summary>Whom each server process of Postgres works for.</summary>
    public async Task<Dictionary<int, string>> PostgresLabelsAsync(CancellationToken deadline)
    {
        var labels = new Dictionary<int, string>();
        await using var command = Owner.CreateCommand("""
            SELECT pid, CASE WHEN usename = 'town_sequencer' THEN 'for the sequencer'
                             WHEN usename = 'town_admin' THEN 'for this program'
                             WHEN usename IS NOT NULL THEN 'for ' || application_name ELSE backend_type END
            FROM pg_stat_activity
            """);
        await using var row = await command.ExecuteReaderAsync(deadline);
        while (await row.ReadAsync(deadline))
        {
            labels[row.GetInt32(0)] = row.GetString(1);
        }

        return labels;
    }

    public async Task<long> CountAsync(string sql, CancellationToken deadline)
    {
        await using var command = Owner.CreateCommand(sql);
        command.CommandTimeout = 0;     // the deadline bounds it; there may be millions of rows
        return await command.ExecuteScalarAsync(deadline) is long count ? count : 0;
    }

    /// <summary>The database's own clock.</summary>
    public async Task<DateTime> ClockAsync(CancellationToken deadline)
    {
        await using var command = Owner.CreateCommand("SELECT now()");
        return await command.ExecuteScalarAsync(deadline) is DateTime now ? now : throw new NotMeasuredException("The database has no time.");
    }

    /// <summary>Waits until every entry that was written is sealed in the ledger.</summary>
    public Task LedgerSealedAsync(CancellationToken deadline) => Eventually.Is(
        () => CountAsync("SELECT count(*) FROM (SELECT FROM ledger_pending LIMIT 1) one", deadline), static left => left == 0, deadline,
        "the ledger to be sealed");

    public async ValueTask DisposeAsync()
    {
        if (_options.Logs)
        {
            Report.Progress($"postgres said:\n{_servers.PostgresLog}");
        }

        for (var i = _started.Count - 1; i >= 0; i--)
        {
            var process = _started[i] is ServiceProcess service ? service.Process : (KeptProcess)_started[i];
            if (_options.Logs)
            {
                Report.Progress($"{process.Name} said:\n{process.Log}");
            }

            await _started[i].DisposeAsync();
        }

        await Owner.DisposeAsync();
        await _servers.DisposeAsync();
    }

    private async Task ApplySchemaAsync(CancellationToken deadline)
    {
        await using var schema = await KeptProcess.StartAsync("schema", Programs.Dotnet(), [Programs.Built("schema")], new Dictionary<string, string>
        {
            ["ConnectionStrings__town-admin"] = _servers.Connection("town_admin"),
            ["TOWN_APP_PASSWORD"] = "town_app",
            ["TOWN_SEQUENCER_PASSWORD"] = "town_sequencer",
        });
        if (await schema.ExitAsync(deadline) is not 0 and var code)
        {
            throw new NotMeasuredException($"The schema step ended with {code}: {schema.Log}");
        }
    }

    private async Task<ServiceProcess> StartAsync(string project, CancellationToken deadline)
    {
        const string Nobody = "http://127.0.0.1:9";     // whom the edge must know and never calls here
        var service = await ServiceProcess.StartAsync(project, WithOptions(new()
        {
            ["ConnectionStrings__town"] = _servers.Connection("town_app"),
            ["ConnectionStrings__town-sequencer"] = _servers.Connection("town_sequencer"),
            ["ConnectionStrings__redis"] = $"127.0.0.1:{_servers.RedisPort.ToString(CultureInfo.InvariantCulture)}",
            ["TOWN_WORKER_KEY_FILE"] = KeyFile,
            ["TOWN_MAX_AGENTS"] = "1000000",
            ["services__townhall__http__0"] = Townhall?.Address.ToString() ?? Nobody,
            ["services__scaler__http__0"] = Nobody,
            ["services__notifier__http__0"] = Nobody,
        }), deadline);
        _started.Add(service);
        _processes.Add((project.Split('/')[^1], service.Process.Pid));
        return service;
    }

    private Dictionary<string, string> WithOptions(Dictionary<string, string> environment)
    {
        foreach (var (name, value) in _options.Environment)
        {
            environment[name] = value;
        }

        return environment;
    }
}
