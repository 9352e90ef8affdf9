using System.Diagnostics;
using System.Net.Sockets;
using System.Threading.Channels;

namespace Townhall.Faults;

/// <summary>One client, one server, and two pumps between them.</summary>
internal sealed class ProxiedConnection
{
    private const int PiecesWaiting = 64;
    private readonly Socket _client;
    private readonly Socket _server;
    private readonly Direction _toServer;
    private readonly Direction _toClient;
    private readonly Random _random;

    public ProxiedConnection(Socket client, Socket server, Direction toServer, Direction toClient, Random random)
    {
        (_client, _server, _toServer, _toClient, _random) = (client, server, toServer, toClient, random);
        client.NoDelay = true;
    }

    public async Task RunAsync(CancellationToken stop)
    {
        try
        {
            await Task.WhenAll(PumpAsync(_client, _server, _toServer, stop), PumpAsync(_server, _client, _toClient, stop));
        }
        finally
        {
            _client.Dispose();
            _server.Dispose();
        }
    }

    public void Reset()
    {
        Abort(_client);
        Abort(_server);
    }

    public bool HalfClose()
    {
        try
        {
            _server.Shutdown(SocketShutdown.Send);
            return true;
        }
        catch (Exception gone) when (gone is SocketException or ObjectDisposedException)
        {
            return false;
        }
    }

    /// <summary>Closes with a reset instead of a farewell.</summary>
    public static void Abort(Socket socket)
    {
        try
        {
            socket.LingerState = new LingerOption(true, 0);
        }
        catch (Exception gone) when (gone is SocketException or ObjectDisposedException)
        {
            // It is closed already.
        }

        socket.Dispose();
    }

    private async Task PumpAsync(Socket from, Socket to, Direction direction, CancellationToken stop)
    {
        // Delay is distance, not width: pieces are read on while earlier ones are under way.
        var pieces = Channel.CreateBounded<(long Due, byte[] Bytes)>(PiecesWaiting);
        try
        {
            await Task.WhenAll(ReadAsync(from, pieces.Writer, direction, stop), WriteAsync(to, pieces.Reader, direction, stop));
        }
        catch (Exception gone) when (gone is SocketException or ObjectDisposedException or OperationCanceledException or ChannelClosedException)
        {
            Reset();
        }
    }

    private async Task ReadAsync(Socket from, ChannelWriter<(long Due, byte[] Bytes)> pieces, Direction direction, CancellationToken stop)
    {
        var buffer = new byte[64 * 1024];
        try
        {
            while (await from.ReceiveAsync(buffer.AsMemory(0, Math.Clamp(direction.Slice, 1, buffer.Length)), stop) is > 0 and var length)
            {
                var delay = direction.Delay;
                if (direction.Jitter > TimeSpan.Zero)
                {
                    lock (_random)
                    {
                        delay += direction.Jitter * _random.NextDouble();
                    }
                }

                var due = Stopwatch.GetTimestamp() + (long)(delay.TotalSeconds * Stopwatch.Frequency);
                await pieces.WriteAsync((due, buffer.AsSpan(0, length).ToArray()), stop);
            }

            pieces.TryComplete();
        }
        catch (Exception gone) when (gone is SocketException or ObjectDisposedException or OperationCanceledException or ChannelClosedException)
        {
            pieces.TryComplete(gone);
            Reset();
        }
    }

    private async Task WriteAsync(Socket to, ChannelReader<(long Due, byte[] Bytes)> pieces, Direction direction, CancellationToken stop)
    {
        await foreach (var (due, bytes) in pieces.ReadAllAsync(stop))
        {
            await PauseAsync(Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), due), stop);
            await direction.PassageAsync(stop);
            if (direction.Drop)
            {
                direction.Forgot(bytes.Length);
                continue;
            }

            var (may, cut) = direction.Passing(bytes.Length);
            for (var sent = 0; sent < may;)
            {
                sent += await to.SendAsync(bytes.AsMemory(sent, may - sent), stop);
            }

            if (cut)
            {
                Reset();
                return;
            }

            if (direction.BytesPerSecond is > 0 and var width)
            {
                await PauseAsync(TimeSpan.FromSeconds(bytes.Length / (double)width), stop);
            }
        }

        to.Shutdown(SocketShutdown.Send);
    }

    private static Task PauseAsync(TimeSpan pause, CancellationToken stop) =>
        pause > TimeSpan.Zero ? Task.Delay(pause, TimeProvider.System, stop) : Task.CompletedTask;
}
