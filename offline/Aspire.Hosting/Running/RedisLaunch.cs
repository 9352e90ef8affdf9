using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Aspire.Hosting.ApplicationModel;

namespace Aspire.Hosting.Running;

/// <summary>Runs a local redis-server: loopback only, with a password, an append-only file, and nothing ever evicted.</summary>
internal sealed class RedisLaunch(RedisResource redis, DataDirectory data, TimeProvider clock) : ILaunch
{
    public async Task<LaunchPlan> PrepareAsync(CancellationToken cancellationToken)
    {
        var program = LocalPrograms.Require("redis-server", "redis-server");
        var directory = data.Subdirectory(redis.Name);
        var processIdFile = Path.Combine(directory, "redis.pid");
        // One binary serves all of Redis' programs, so its name may be that of another one.
        await OldServer.EndAsync(processIdFile, "redis", Native.SigTerm, clock, cancellationToken);

        // The password stands in a file of mode 0600, never on a command line that every user can list.
        var configuration = Path.Combine(directory, "redis.conf");
        var password = await redis.PasswordParameter!.GetValueAsync(cancellationToken);
        SecretFiles.Write(configuration, $"""
            bind {EndpointReference.LoopbackHost}
            port {redis.PrimaryEndpoint.Port.ToString(CultureInfo.InvariantCulture)}
            protected-mode yes
            requirepass {Quoted(password!)}
            daemonize no
            supervised no
            set-proc-title no
            pidfile {Quoted(processIdFile)}
            logfile ""
            dir {Quoted(directory)}
            appendonly yes
            appendfsync everysec
            save ""
            maxmemory-policy noeviction

            """);
        return new LaunchPlan(program, [configuration], directory)
        {
            Environment = HostEnvironment.ForServer(),
            DeathSignal = "TERM",   // writes what it still holds, and is gone in milliseconds
        };
    }

    public async Task<string?> ProbeAsync(CancellationToken cancellationToken)
    {
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        bound.CancelAfter(TimeSpan.FromSeconds(2));
        try
        {
            using var client = new TcpClient();
            await client.ConnectAsync(redis.PrimaryEndpoint.Host, redis.PrimaryEndpoint.Port, bound.Token);
            var stream = client.GetStream();
            var password = (await redis.PasswordParameter!.GetValueAsync(bound.Token))!;
            var length = Encoding.UTF8.GetByteCount(password).ToString(CultureInfo.InvariantCulture);
            await stream.WriteAsync(Encoding.UTF8.GetBytes(
                $"*2\r\n$4\r\nAUTH\r\n${length}\r\n{password}\r\n*1\r\n$4\r\nPING\r\n"), bound.Token);
            using var reader = new StreamReader(stream);
            var authenticated = await reader.ReadLineAsync(bound.Token);
            var pong = authenticated == "+OK" ? await reader.ReadLineAsync(bound.Token) : authenticated;
            return pong == "+PONG" ? null : $"answers {pong ?? "nothing"}";
        }
        catch (Exception error) when (error is IOException or SocketException or OperationCanceledException)
        {
            return error.Message;
        }
    }

    private static string Quoted(string value) => $"\"{value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\"";
}
