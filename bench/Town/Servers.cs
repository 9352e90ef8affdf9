using System.Globalization;
using Npgsql;
using Townhall.Testing;

namespace Townhall.Bench.Town;

/// <summary>A Postgres and a Redis with the settings of a town: every commit is on the disk before it is answered.</summary>
/// <remarks>Not the servers of the tests, which leave durability out. The settings repeat those of the town's host.</remarks>
internal sealed class Servers : IAsyncDisposable
{
    private readonly string _folder;
    private KeptProcess? _postgres;
    private KeptProcess? _redis;

    private Servers(string folder) => _folder = folder;

    public int PostgresPort { get; private set; }

    public int RedisPort { get; private set; }

    public int PostgresPid => _postgres!.Pid;

    public int RedisPid => _redis!.Pid;

    public string Folder => _folder;

    public string PostgresLog => _postgres?.Log ?? string.Empty;

    public static async Task<Servers> StartAsync(Options options, CancellationToken deadline)
    {
        var servers = new Servers(Path.Combine(options.Data, $"townhall-bench-{Guid.CreateVersion7():N}"));
        try
        {
            Directory.CreateDirectory(servers._folder);
            await servers.StartRedisAsync(deadline);
            await servers.StartPostgresAsync(options.Postgres, deadline);
            return servers;
        }
        catch
        {
            await servers.DisposeAsync();
            throw;
        }
    }

    public string Connection(string user, string database = "town") => new NpgsqlConnectionStringBuilder
    {
        Host = "127.0.0.1",
        Port = PostgresPort,
        Username = user,
        Password = user,
        Database = database,
        Timeout = 5,
    }.ConnectionString;

    public async ValueTask DisposeAsync()
    {
        if (_postgres is not null)
        {
            _postgres.Signal(Signals.Quit);
            await _postgres.ExitAsync(Deadline.Of(TimeSpan.FromSeconds(20)));
        }

        if (_redis is not null)
        {
            await _redis.DisposeAsync();
        }

        Directory.Delete(_folder, recursive: true);
    }

    private async Task StartRedisAsync(CancellationToken deadline)
    {
        RedisPort = Ports.Free();
        string[] settings =
        [
            "--port", RedisPort.ToString(CultureInfo.InvariantCulture), "--bind", "127.0.0.1", "--dir", _folder,
            "--appendonly", "yes", "--appendfsync", "everysec", "--save", string.Empty, "--maxmemory-policy", "noeviction",
        ];
        _redis = await KeptProcess.StartAsync("redis", Programs.Find("redis-server", "redis-server"), settings, new Dictionary<string, string>());
        await Eventually.Is(() => Ports.ListensAsync(RedisPort, deadline), static listens => listens, deadline, "Redis to answer");
    }

    private async Task StartPostgresAsync(IReadOnlyDictionary<string, string> settings, CancellationToken deadline)
    {
        var data = Path.Combine(_folder, "postgres");
        string[] owner = [];
        if (Environment.IsPrivilegedProcess)
        {
            // Postgres refuses to run as root, and its folder must be its own.
            Directory.CreateDirectory(data);
            await RunAsync("chown", Programs.Find("chown", "coreutils"), ["postgres:", data], [], deadline);
            owner = ["--reuid=postgres", "--regid=postgres", "--clear-groups"];
        }

        await RunAsync(
            "initdb", Programs.Postgres("initdb"),
            ["-D", data, "-U", "town_admin", "-A", "trust", "-E", "UTF8", "--locale=C", "--data-checksums"], owner, deadline);
        PostgresPort = Ports.Free();
        string[] townSettings =
        [
            $"port={PostgresPort.ToString(CultureInfo.InvariantCulture)}", "listen_addresses=127.0.0.1", "unix_socket_directories=",
            "fsync=on", "jit=off", "max_connections=200", "shared_buffers=256MB", "max_wal_size=2GB", "log_checkpoints=off",
            .. settings.Select(static one => $"{one.Key}={one.Value}"),
        ];
        _postgres = await KeptProcess.StartAsync(
            "postgres", Programs.Postgres("postgres"), ["-D", data, .. townSettings.SelectMany(static one => (string[])["-c", one])],
            new Dictionary<string, string>(), deathSignal: "QUIT", owner);
        await Eventually.Is(() => AnswersAsync(deadline), static answers => answers, deadline, "Postgres to answer");
        await using var admin = NpgsqlDataSource.Create(Connection("town_admin", "postgres"));
        await using var create = admin.CreateCommand("CREATE DATABASE town");
        await create.ExecuteNonQueryAsync(deadline);
    }

    private async Task<bool> AnswersAsync(CancellationToken deadline)
    {
        await using var connection = new NpgsqlConnection(Connection("town_admin", "postgres") + ";Pooling=false");
        try
        {
            await connection.OpenAsync(deadline);
            return true;
        }
        catch (NpgsqlException)
        {
            return false;   // still starting
        }
    }

    private static async Task RunAsync(string name, string program, string[] arguments, string[] setprivOptions, CancellationToken deadline)
    {
        await using var run = await KeptProcess.StartAsync(
            name, program, arguments, new Dictionary<string, string>(), setprivOptions: setprivOptions);
        if (await run.ExitAsync(deadline) is not 0 and var code)
        {
            throw new NotMeasuredException($"{name} ended with {code}: {run.Log}");
        }
    }
}
