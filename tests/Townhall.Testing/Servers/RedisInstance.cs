using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Townhall.Testing;

/// <summary>One real Redis on a free loopback port, with nothing on disk. Tests that stop or flush it start their own one.</summary>
public sealed class RedisInstance : IAsyncDisposable
{
    private KeptProcess? _process;

    private readonly string? _folder;

    private RedisInstance(int port, string? folder) => (Port, _folder) = (port, folder);

    public int Port { get; }

    public string ConnectionString => $"127.0.0.1:{Port.ToString(CultureInfo.InvariantCulture)}";

    /// <param name="folder">Where it keeps its append-only file, synced once a second; null keeps nothing.</param>
    /// <exception cref="MissingProgramException">Redis is not installed.</exception>
    public static async Task<RedisInstance> StartAsync(CancellationToken deadline, string? folder = null)
    {
        for (var attempt = 1; ; attempt++)
        {
            var redis = new RedisInstance(Ports.Free(), folder);
            try
            {
                await redis.StartAgainAsync(deadline);
                return redis;
            }
            catch (EventuallyException) when (attempt < 3 && redis._process is { HasExited: true })
            {
                // Somebody else took the port between the probe and the start.
            }
        }
    }

    /// <summary>Starts it on its port, with what its file holds, as after an outage.</summary>
    public async Task StartAgainAsync(CancellationToken deadline)
    {
        string[] settings =
        [
            "--port", Port.ToString(CultureInfo.InvariantCulture), "--bind", "127.0.0.1", "--save", string.Empty, "--appendonly", _folder is null ? "no" : "yes",
            "--maxmemory-policy", "noeviction", "--dir", _folder ?? Path.GetTempPath(),
        ];
        _process = await KeptProcess.StartAsync(
            "redis", Programs.Find("redis-server", "redis-server"), settings, new Dictionary<string, string>());
        await Eventually.Is(
            async () => _process.HasExited || await Ports.ListensAsync(Port, deadline), static answers => answers, deadline, "Redis to answer");
        if (_process.HasExited)
        {
            throw new EventuallyException($"Redis ended with {_process.ExitCode}.\n{_process.Log}");
        }
    }

    /// <summary>Ends it at once and waits until it is gone; what is not in its file is lost.</summary>
    public Task StopAsync(CancellationToken deadline) => _process!.KillAsync(deadline);

    public void Pause() => _process!.Signal(Signals.Stop);

    public void Resume() => _process!.Signal(Signals.Continue);

    /// <summary>One command, such as <c>FLUSHALL</c>, on a connection of its own.</summary>
    /// <returns>The reply as the protocol writes it, at most 64 KiB of it.</returns>
    public async Task<string> CommandAsync(CancellationToken deadline, params string[] words)
    {
        using var client = new TcpClient();
        await client.ConnectAsync("127.0.0.1", Port, deadline);
        await using var stream = client.GetStream();
        var command = new StringBuilder($"*{words.Length.ToString(CultureInfo.InvariantCulture)}\r\n");
        foreach (var word in words)
        {
            command.Append(CultureInfo.InvariantCulture, $"${Encoding.UTF8.GetByteCount(word)}\r\n{word}\r\n");
        }

        await stream.WriteAsync(Encoding.UTF8.GetBytes(command.ToString()), deadline);
        var reply = new byte[64 * 1024];
        var length = await stream.ReadAsync(reply, deadline);
        return Encoding.UTF8.GetString(reply, 0, length);
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is { } process)
        {
            await process.DisposeAsync();
        }
    }
}

/// <summary>The test run's Redis: shared, so that towns with names of their own see only their own channels.</summary>
public sealed class RedisServer : Xunit.IAsyncLifetime
{
    private static readonly Lazy<Task<RedisInstance>> Shared = new(
        static () => RedisInstance.StartAsync(Deadline.Of(TimeSpan.FromSeconds(30))));

    private RedisInstance? _instance;

    /// <summary>The server itself, shared with every other test: never stop, pause or flush it.</summary>
    public RedisInstance Instance => _instance ?? throw new InvalidOperationException("The fixture was not initialized.");

    public async Task InitializeAsync() => _instance = await Shared.Value;

    public Task DisposeAsync() => Task.CompletedTask;      // the server ends with the process
}
