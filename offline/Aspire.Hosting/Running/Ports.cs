using System.Net;
using System.Net.Sockets;
using Aspire.Hosting.ApplicationModel;

namespace Aspire.Hosting.Running;

/// <summary>Gives every endpoint its port, before anything starts; a restarted process gets the same one.</summary>
internal static class Ports
{
    // Below the range the kernel takes client ports from: one of ours must still be free when its process is restarted.
    private const int First = 20000;
    private const int Last = 32000;

    public static void Allocate(IEnumerable<IResource> resources)
    {
        var endpoints = resources
            .SelectMany(static resource => resource.Annotations.OfType<EndpointAnnotation>(), static (resource, endpoint) => (resource, endpoint))
            .ToList();
        var taken = new HashSet<int>();
        foreach (var (resource, endpoint) in endpoints.Where(static pair => pair.endpoint.Port is not null))
        {
            var port = endpoint.Port!.Value;
            endpoint.AllocatedPort = taken.Add(port) && IsFree(port)
                ? port
                : throw new HostRefusedException(
                    $"townhall: port {port}, wanted for {resource.Name}, is taken; choose another with --port.", HostRefusedException.Configuration);
        }

        foreach (var (_, endpoint) in endpoints.Where(static pair => pair.endpoint.Port is null))
        {
            int port;
            do
            {
                port = Random.Shared.Next(First, Last);
            }
            while (!taken.Add(port) || !IsFree(port));
            endpoint.AllocatedPort = port;
        }
    }

    private static bool IsFree(int port)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(new IPEndPoint(IPAddress.Loopback, port));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
