using Townhall.ServiceDefaults.Health;
using Townhall.Testing;

namespace Townhall.ServiceDefaults.Tests.Towns;

public sealed class RedisVersionTests(PostgresServer postgres, RedisServer redis) : IClassFixture<PostgresServer>, IClassFixture<RedisServer>
{
    [Theory]
    [InlineData("6.2.14", "noeviction", "Redis 6.2.14 is older than 7.0")]
    [InlineData("3.0", "allkeys-lru", "Redis 3.0 is older than 7.0")]
    [InlineData("7.0.0", "allkeys-lru", "Redis evicts keys (allkeys-lru)")]
    [InlineData("7.0.0", "noeviction", null)]
    [InlineData("7.2.4", "noeviction", null)]
    [InlineData("8.2.1", "noeviction", null)]
    public void A_Redis_is_judged_by_what_it_says(string version, string policy, string? fault)
    {
        var facts = RedisFacts.Of($"# Server\r\nredis_version:{version}\r\nredis_mode:standalone\r\n\n# Memory\r\nmaxmemory_policy:{policy}\r\n");

        Assert.StartsWith(fault ?? "", facts.Fault?.What ?? "", StringComparison.Ordinal);
        Assert.Equal(fault is null, facts.Fault is null);
    }

    [Theory]
    [InlineData("")]
    [InlineData("redis_version:next\r\n")]
    public void One_that_does_not_say_its_version_is_taken_as_it_is(string info) => Assert.Null(RedisFacts.Of(info).Fault);

    [Fact]
    public async Task A_service_refuses_a_Redis_that_is_too_old_and_says_what_to_do()
    {
        var deadline = Deadline.Of(TimeSpan.FromSeconds(60));
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        await using var old = new OldRedis(redis.Instance);
        var settings = database.Settings(redis.Instance);
        settings["ConnectionStrings__redis"] = old.ConnectionString;
        await using var notifier = await ServiceProcess.BeginAsync("services/notifier", settings);

        Assert.Equal(78, await notifier.Process.ExitAsync(deadline));
        await Eventually.Is(
            () => notifier.Process.Log,
            static log => log.Contains("ConnectionStrings__redis: Redis 6.", StringComparison.Ordinal) && log.Contains("Upgrade it", StringComparison.Ordinal),
            deadline, "the refusal");
    }
}
