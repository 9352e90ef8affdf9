using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Townhall.Contracts.Workers;
using Townhall.Worker.Protocol;

namespace Townhall.Worker.Tests.Protocol;

public sealed class ResetConnectionTests
{
    [Fact]
    public async Task A_dispatcher_that_resets_every_connection_is_one_that_does_not_answer()
    {
        using var bound = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        var deadline = bound.Token;
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(deadline);
        var resets = Task.Run(
            async () =>
            {
                while (!stop.IsCancellationRequested)
                {
                    using var socket = await listener.AcceptSocketAsync(stop.Token);
                    socket.LingerState = new LingerOption(enable: true, seconds: 0);
                }
            },
            stop.Token);
        var port = ((IPEndPoint)listener.LocalEndpoint).Port.ToString(CultureInfo.InvariantCulture);
        using var client = new DispatcherClient(new Uri($"http://127.0.0.1:{port}/"), TimeProvider.System);

        // The reset comes before, in or after the client's own last steps of connecting; enough calls meet each.
        for (var i = 0; i < 500; i++)
        {
            Assert.IsType<Answer<LeaseReply>.Unknown>(await client.LeaseAsync("t", new LeaseRequest(Guid.NewGuid(), 1, 0), deadline));
        }

        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => resets);
    }
}
