using System.Globalization;
using Npgsql;

namespace Townhall.Testing;

/// <summary>One real Postgres on a free loopback port with data of its own. Tests that stop or pause the server start their own one.</summary>
public sealed class PostgresInstance : IAsyncDisposable
{
    private KeptProcess? _process;

    private PostgresInstance(string data, int port)
    {
        Data = data;
        Port = port;
    }

    public int Port { get; }

    /// <summary>Its folder; copy or change it only while the server is stopped.</summary>
    public string Data { get; }

    public bool HasExited => _process is { HasExited: true };

    /// <summary>The owner of everything, as the schema step is in a town.</summary>
    public string ConnectionString(string database, string user = "town_admin") => new NpgsqlConnectionStringBuilder
    {
        Host = "127.0.0.1",
        Port = Port,
        Username = user,
        Password = user,
        Database = database,
        Timeout = 5,
        IncludeErrorDetail = true,
    }.ConnectionString;

    /// <exception cref="MissingProgramException">Postgres is not installed.</exception>
    /// <param name="on">An empty folder for its data; null for one of the run's own.</param>
    public static async Task<PostgresInstance> StartAsync(CancellationToken deadline, string? on = null)
    {
        var data = on ?? Scratch.Folder("postgres");
        if (Environment.IsPrivilegedProcess)
        {
            // Postgres refuses to run as root, and its folder must be its own.
            Directory.CreateDirectory(data);
            await RunAsync("chown", Programs.Find("chown", "coreutils"), ["postgres:", data], [], deadline);
        }

        await RunAsync(
            "initdb", Programs.Postgres("initdb"),
            ["-D", data, "-U", "town_admin", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"], AsPostgres(), deadline);
        for (var attempt = 1; ; attempt++)
        {
            var postgres = new PostgresInstance(data, Ports.Free());
            try
            {
                await postgres.StartAgainAsync(deadline);
                return postgres;
            }
            catch (EventuallyException) when (attempt < 3 && postgres._process is { HasExited: true })
            {
                // Somebody else took the port between the probe and the start.
                await postgres.DisposeAsync();
            }
        }
    }

    /// <summary>Starts the server on its data and port, as after an outage.</summary>
    public async Task StartAgainAsync(CancellationToken deadline)
    {
        // Durability is Postgres' own affair; without it a test database costs a tenth.
        string[] settings =
        [
            $"port={Port.ToString(CultureInfo.InvariantCulture)}", "listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off",
            "full_page_writes=off", "max_connections=400", "shared_buffers=64MB", "wal_level=minimal", "max_wal_senders=0",
            "log_min_messages=warning", "autovacuum_naptime=10s", "timezone=UTC",
        ];
        _process = await KeptProcess.StartAsync(
            "postgres", Programs.Postgres("postgres"), ["-D", Data, .. settings.SelectMany(static one => (string[])["-c", one])],
            new Dictionary<string, string>(), deathSignal: "QUIT", AsPostgres());
        await Eventually.Is(
            async () => _process.HasExited || await AnswersAsync(deadline), static answers => answers, deadline, "Postgres to answer");
        if (_process.HasExited)
        {
            throw new EventuallyException($"Postgres ended with {_process.ExitCode}.\n{_process.Log}");
        }
    }

    /// <summary>Ends it at once, as a crash would, and waits until it is gone.</summary>
    public async Task StopAsync(CancellationToken deadline)
    {
        _process!.Signal(Signals.Quit);
        await _process.ExitAsync(deadline);
    }

    /// <summary>Ends it in an orderly way, whoever is connected, and waits until it is gone.</summary>
    public async Task StopFastAsync(CancellationToken deadline)
    {
        _process!.Signal(Signals.Interrupt);
        await _process.ExitAsync(deadline);
    }

    /// <summary>Stops every process of the server without ending one: connections stay open and nothing answers.</summary>
    public void Pause() => ToAll(Signals.Stop);

    public void Resume() => ToAll(Signals.Continue);

    public async ValueTask DisposeAsync()
    {
        if (_process is { HasExited: false } process)
        {
            Resume();
            process.Signal(Signals.Quit);
            await process.ExitAsync(Deadline.Of(TimeSpan.FromSeconds(10)));
        }
    }

    private static string[] AsPostgres() =>
        Environment.IsPrivilegedProcess ? ["--reuid=postgres", "--regid=postgres", "--clear-groups"] : [];

    private static async Task RunAsync(
        string name, string program, string[] arguments, string[] setprivOptions, CancellationToken deadline)
    {
        await using var run = await KeptProcess.StartAsync(
            name, program, arguments, new Dictionary<string, string>(), setprivOptions: setprivOptions);
        if (await run.ExitAsync(deadline) is not 0 and var code)
        {
            throw new MissingProgramException($"{name} ended with {code}: {run.Log}");
        }
    }

    private void ToAll(int signal)
    {
        _process!.Signal(signal);
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out var pid) && ParentOf(pid) == _process.Pid)
            {
                Signals.Send(pid, signal);
            }
        }
    }

    private static int ParentOf(int pid)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{pid.ToString(CultureInfo.InvariantCulture)}/stat");
            return int.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[1], CultureInfo.InvariantCulture);
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }

    private async Task<bool> AnswersAsync(CancellationToken deadline)
    {
        await using var connection = new NpgsqlConnection(ConnectionString("postgres") + ";Pooling=false");
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
}
