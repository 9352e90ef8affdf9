using System.Net;
using System.Net.Sockets;
using System.Text;
using Townhall.Testing;

namespace Townhall.ServiceDefaults.Tests.Towns;

/// <summary>A real Redis that says it were of version 6: this machine has one version only.</summary>
internal sealed class OldRedis : IAsyncDisposable
{
    private static readonly byte[] s_name = Encoding.ASCII.GetBytes("redis_version:");
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly RedisInstance _real;
    private readonly Task _accepting;

    public OldRedis(RedisInstance real)
    {
        _real = real;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public string ConnectionString => $"127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}";

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Dispose();
        await _accepting;
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        var calls = new List<Task>();
        try
        {
            while (true)
            {
                calls.Add(ServeAsync(await _listener.AcceptTcpClientAsync(_stop.Token)));
            }
        }
        catch (Exception over) when (over is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            await Task.WhenAll(calls);
        }
    }

    private async Task ServeAsync(TcpClient caller)
    {
        using var called = new TcpClient();
        try
        {
            using (caller)
            {
                await called.ConnectAsync(IPAddress.Loopback, _real.Port, _stop.Token);
                await Task.WhenAny(PassAsync(caller.GetStream(), called.GetStream(), older: false), PassAsync(called.GetStream(), caller.GetStream(), older: true));
            }
        }
        catch (Exception over) when (over is OperationCanceledException or SocketException or IOException)
        {
            // Whoever was connected has gone.
        }
    }

    /// <summary>An answer of INFO comes in one piece: it is far smaller than a segment of the loopback device.</summary>
    private async Task PassAsync(NetworkStream from, NetworkStream to, bool older)
    {
        var buffer = new byte[64 * 1024];
        try
        {
            while (await from.ReadAsync(buffer, _stop.Token) is > 0 and var length)
            {
                if (older && buffer.AsSpan(0, length).IndexOf(s_name) is >= 0 and var at && at + s_name.Length < length)
                {
                    buffer[at + s_name.Length] = (byte)'6';
                }

                await to.WriteAsync(buffer.AsMemory(0, length), _stop.Token);
            }
        }
        catch (Exception over) when (over is OperationCanceledException or SocketException or IOException or ObjectDisposedException)
        {
            // The other direction has ended.
        }
    }
}
