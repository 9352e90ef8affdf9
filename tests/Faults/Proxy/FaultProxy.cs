using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Townhall.Faults;

/// <summary>A TCP proxy on a loopback port of its own that can treat each direction badly.</summary>
/// <remarks>With several targets it takes the first that accepts, as a balancer with health checks does.</remarks>
public sealed class FaultProxy : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<ProxiedConnection, Task> _connections = new();
    private readonly Func<IReadOnlyList<int>> _targets;
    private readonly Random _random;
    private readonly Task _accepting;
    private int _accepted;
    private int _refused;
    private int _resets;

    private FaultProxy(Func<IReadOnlyList<int>> targets, int seed)
    {
        _targets = targets;
        _random = new Random(seed);
        _listener.Start(512);
        Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
        _accepting = AcceptAsync();
    }

    public int Port { get; }

    public Direction ToServer { get; } = new();

    public Direction ToClient { get; } = new();

    /// <summary>Whether new connections are reset at once.</summary>
    public bool Refuse { get; set; }

    public int Accepted => _accepted;

    /// <summary>Connections that were refused, or found no target.</summary>
    public int Refused => _refused;

    /// <summary>Connections that <see cref="ResetAll"/> ended.</summary>
    public int Resets => _resets;

    public int Open => _connections.Count;

    /// <param name="targets">Ports on the loopback address, asked at each connection.</param>
    /// <param name="seed">Of the jitter.</param>
    public static FaultProxy Start(Func<IReadOnlyList<int>> targets, int seed) => new(targets, seed);

    /// <summary>Ends all open connections with a reset on both sides.</summary>
    public int ResetAll()
    {
        var ended = 0;
        foreach (var connection in _connections.Keys)
        {
            connection.Reset();
            ended++;
        }

        Interlocked.Add(ref _resets, ended);
        return ended;
    }

    /// <summary>Tells the servers of all open connections that their clients will send nothing more, and goes on passing replies.</summary>
    public int HalfCloseAll()
    {
        var ended = 0;
        foreach (var connection in _connections.Keys)
        {
            ended += connection.HalfClose() ? 1 : 0;
        }

        return ended;
    }

    /// <summary>Nothing passes in either direction until <see cref="Heal"/>, and nobody is told.</summary>
    public void Partition() => ToServer.Held = ToClient.Held = true;

    public void Heal()
    {
        Refuse = false;
        ToServer.Heal();
        ToClient.Heal();
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        Heal();
        ResetAll();
        await _accepting;
        await Task.WhenAll(_connections.Values);
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            Socket client;
            try
            {
                client = await _listener.AcceptSocketAsync(_stop.Token);
            }
            catch (Exception stopped) when (stopped is OperationCanceledException or SocketException or ObjectDisposedException)
            {
                return;
            }

            Interlocked.Increment(ref _accepted);
            _ = ServeAsync(client);
        }
    }

    private async Task ServeAsync(Socket client)
    {
        var server = Refuse ? null : await ConnectAsync();
        if (server is null)
        {
            Interlocked.Increment(ref _refused);
            ProxiedConnection.Abort(client);
            return;
        }

        var connection = new ProxiedConnection(client, server, ToServer, ToClient, _random);
        var running = connection.RunAsync(_stop.Token);
        _connections[connection] = running;
        await running;
        _connections.TryRemove(connection, out _);
    }

    private async Task<Socket?> ConnectAsync()
    {
        foreach (var port in _targets())
        {
            var server = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                await server.ConnectAsync(IPAddress.Loopback, port, _stop.Token);
                return server;
            }
            catch (Exception away) when (away is SocketException or OperationCanceledException)
            {
                server.Dispose();
            }
        }

        return null;
    }
}
