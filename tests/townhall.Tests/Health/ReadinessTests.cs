using System.Globalization;
using Townhall.Testing;

namespace Townhall.Api.Tests.Health;

public sealed class ReadinessTests(PostgresServer postgres) : IClassFixture<PostgresServer>
{
    [Fact]
    public async Task A_flood_of_probes_asks_Redis_once_a_second_and_no_more()
    {
        var deadline = Deadline.Of(TimeSpan.FromSeconds(60));
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        await using var redis = await RedisInstance.StartAsync(deadline);
        await using var townhall = await ServiceProcess.StartAsync("services/townhall", database.Settings(redis), deadline);
        await Eventually.Is(200, async () => await StatusAsync(townhall, deadline), deadline);

        var began = TimeProvider.System.GetTimestamp();
        var before = await PingsAsync(redis, deadline);
        for (var wave = 0; wave < 20; wave++)
        {
            // A ping that is late in the flood is a 503 that all share, and passes.
            Assert.All(await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => StatusAsync(townhall, deadline))), static status => Assert.True(status is 200 or 503));
        }

        // Beside the reading of each second, the connection's own heartbeat pings now and then.
        var asked = await PingsAsync(redis, deadline) - before;
        Assert.InRange(asked, 0, TimeProvider.System.GetElapsedTime(began).TotalSeconds + 10);
        await Eventually.Is(200, async () => await StatusAsync(townhall, deadline), deadline);
    }

    private static async Task<int> StatusAsync(ServiceProcess townhall, CancellationToken deadline)
    {
        using var answer = await townhall.Client.GetAsync(new Uri("/ready", UriKind.Relative), deadline);
        return (int)answer.StatusCode;
    }

    private static async Task<long> PingsAsync(RedisInstance redis, CancellationToken deadline)
    {
        var line = (await redis.CommandAsync(deadline, "INFO", "commandstats")).Split("\r\n").FirstOrDefault(static one => one.StartsWith("cmdstat_ping:calls=", StringComparison.Ordinal));
        return line is null ? 0 : long.Parse(line["cmdstat_ping:calls=".Length..line.IndexOf(',', StringComparison.Ordinal)], CultureInfo.InvariantCulture);
    }
}
