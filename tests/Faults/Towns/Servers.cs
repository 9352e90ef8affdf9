using Townhall.Testing;

namespace Townhall.Faults;

/// <summary>The servers that scenarios share, one after the other; a scenario that stops one starts it again.</summary>
public static class Servers
{
    private static PostgresInstance? _postgres;
    private static RedisInstance? _redis;

    public static async Task<PostgresInstance> PostgresAsync(CancellationToken deadline) =>
        _postgres ??= await PostgresServer.StartOwnAsync(deadline);

    public static async Task<RedisInstance> RedisAsync(CancellationToken deadline) =>
        _redis ??= await RedisInstance.StartAsync(deadline);

    /// <summary>Ends both; whatever a failed scenario left of them goes with them.</summary>
    public static async Task EndAsync()
    {
        var (postgres, redis) = (_postgres, _redis);
        (_postgres, _redis) = (null, null);
        if (redis is not null)
        {
            await redis.DisposeAsync();
        }

        if (postgres is not null)
        {
            await postgres.DisposeAsync();
        }
    }
}
