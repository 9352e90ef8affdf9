using System.Net;
using System.Net.Sockets;

namespace Townhall.Testing;

/// <summary>Loopback ports that nobody listens on.</summary>
public static class Ports
{
    /// <summary>A port that was free a moment ago; whoever uses it must bear to find it taken.</summary>
    public static int Free()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }

    /// <summary>Whether somebody accepts connections there.</summary>
    public static async Task<bool> ListensAsync(int port, CancellationToken cancellationToken)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(IPAddress.Loopback, port, cancellationToken);
            return true;
        }
        catch (SocketException)
        {
            return false;   // the answer
        }
    }
}
