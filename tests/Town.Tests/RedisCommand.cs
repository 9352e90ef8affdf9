using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Townhall.Town.Tests;

/// <summary>One command to a town's own Redis, whose port and password stand in its configuration file.</summary>
internal static class RedisCommand
{
    public static async Task SendAsync(int pid, string command, CancellationToken deadline)
    {
        var words = Encoding.UTF8.GetString(await File.ReadAllBytesAsync($"/proc/{pid}/cmdline", deadline)).Split('\0', ' ');
        var file = words.First(static word => word.EndsWith(".conf", StringComparison.Ordinal));
        var settings = (await File.ReadAllLinesAsync(file, deadline))
            .Select(static line => line.Split(' ', 2)).Where(static pair => pair.Length == 2)
            .ToLookup(static pair => pair[0], static pair => pair[1].Trim('"'), StringComparer.Ordinal);
        using var socket = new TcpClient();
        await socket.ConnectAsync("127.0.0.1", int.Parse(settings["port"].Single(), CultureInfo.InvariantCulture), deadline);
        var stream = socket.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"AUTH {settings["requirepass"].Single()}\r\n{command}\r\n"), deadline);
        using var reader = new StreamReader(stream);
        Assert.Equal("+OK", await reader.ReadLineAsync(deadline));
        Assert.Equal("+OK", await reader.ReadLineAsync(deadline));
    }
}
