using Townhall.Testing;

namespace Townhall.Api.Tests.Health;

/// <summary>Each service that uses a server refuses one that is set so that promises would not hold.</summary>
public sealed class FootingTests(PostgresServer postgres, RedisServer redis) : IClassFixture<PostgresServer>, IClassFixture<RedisServer>
{
    private const int Configuration = 78;

    public static TheoryData<string> Services() => new("services/townhall", "services/dispatcher", "services/scaler", "services/notifier");

    [Theory]
    [MemberData(nameof(Services))]
    public async Task A_service_refuses_a_database_that_answers_before_a_commit_is_safe(string service)
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        await database.ExecuteAsync($"ALTER DATABASE {database.Name} SET synchronous_commit = off", deadline);
        await EndsAsync(service, database.Settings(redis.Instance), deadline, "ConnectionStrings__town: synchronous_commit is off for role town_app", "Set it to on");
    }

    [Theory]
    [InlineData("services/townhall", "GRANT UPDATE ON ledger TO town_app", "may UPDATE the ledger")]
    [InlineData("services/dispatcher", "GRANT UPDATE (detail) ON ledger TO town_app", "may UPDATE the ledger")]
    [InlineData("services/scaler", "GRANT DELETE ON ledger TO town_app", "may DELETE the ledger")]
    [InlineData("services/notifier", "GRANT TRUNCATE ON ledger_rest TO town_app", "may TRUNCATE the ledger")]
    [InlineData("services/dispatcher", "GRANT UPDATE, DELETE ON ledger_0 TO town_sequencer", "may DELETE, UPDATE the ledger")]
    [InlineData("services/townhall", "ALTER TABLE ledger OWNER TO town_app", "may DELETE, TRUNCATE, UPDATE the ledger")]
    public async Task A_service_refuses_a_role_that_may_change_the_ledger_unless_one_role_is_accepted(string service, string grant, string what)
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        await database.ExecuteAsync(grant, deadline);
        var settings = Complete(database.Settings(redis.Instance));
        await EndsAsync(service, settings, deadline, what, "TOWN_ONE_DATABASE_ROLE=true");

        settings["TOWN_ONE_DATABASE_ROLE"] = "true";
        await using var accepted = await ServiceProcess.StartAsync(service, settings, deadline);
        Assert.False(accepted.Process.HasExited);
    }

    [Theory]
    [MemberData(nameof(Services))]
    public async Task A_service_refuses_a_Redis_that_evicts(string service)
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        await using var evicting = await RedisInstance.StartAsync(deadline);
        await evicting.CommandAsync(deadline, "CONFIG", "SET", "maxmemory-policy", service.EndsWith('r') ? "allkeys-lru" : "volatile-ttl");
        await EndsAsync(service, database.Settings(evicting), deadline, "ConnectionStrings__redis: Redis evicts keys (", "Set maxmemory-policy to noeviction");
    }

    [Fact]
    public async Task A_Redis_that_begins_to_evict_while_a_town_runs_is_said_by_its_readiness_until_it_is_repaired()
    {
        var deadline = Deadline.Of(TimeSpan.FromSeconds(60));
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        await using var own = await RedisInstance.StartAsync(deadline);
        await using var townhall = await ServiceProcess.StartAsync("services/townhall", database.Settings(own), deadline);
        await Eventually.Is("200", async () => (await ReadyAsync(townhall, deadline))[..3], deadline);
        await own.CommandAsync(deadline, "CONFIG", "SET", "maxmemory-policy", "allkeys-random");
        var refused = await Eventually.Is(() => ReadyAsync(townhall, deadline), static answer => answer.StartsWith("503", StringComparison.Ordinal), deadline);
        Assert.DoesNotContain("allkeys-random", refused, StringComparison.Ordinal);
        Assert.Contains("allkeys-random", await townhall.Client.GetStringAsync(new Uri("/v1/status", UriKind.Relative), deadline), StringComparison.Ordinal);
        await SaysAsync(townhall, "maxmemory-policy", deadline);
        await own.CommandAsync(deadline, "CONFIG", "SET", "maxmemory-policy", "noeviction");
        await Eventually.Is("200", async () => (await ReadyAsync(townhall, deadline))[..3], deadline);
        Assert.False(townhall.Process.HasExited);
    }

    [Fact]
    public async Task A_database_that_was_away_at_the_start_is_asked_when_it_comes()
    {
        var deadline = Deadline.Of(TimeSpan.FromSeconds(60));
        await using var own = await PostgresServer.StartOwnAsync(deadline);
        await using var database = await PostgresServer.CopyAsync(own, deadline);
        await database.ExecuteAsync($"ALTER DATABASE {database.Name} SET synchronous_commit = off", deadline);
        await own.StopFastAsync(deadline);
        await using var townhall = await ServiceProcess.BeginAsync("services/townhall", database.Settings(redis.Instance));
        await Eventually.Is(true, async () => await Ports.ListensAsync(townhall.Port, deadline), deadline);
        await own.StartAgainAsync(deadline);
        Assert.Equal(Configuration, await townhall.Process.ExitAsync(deadline));
        await SaysAsync(townhall, "synchronous_commit is off", deadline);
    }

    private static async Task<string> ReadyAsync(ServiceProcess townhall, CancellationToken deadline)
    {
        using var answer = await townhall.Client.GetAsync(new Uri("/ready", UriKind.Relative), deadline);
        return $"{(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync(deadline)}";
    }

    private static async Task EndsAsync(string service, Dictionary<string, string> settings, CancellationToken deadline, params string[] words)
    {
        await using var process = await ServiceProcess.BeginAsync(service, Complete(settings));
        Assert.Equal(Configuration, await process.Process.ExitAsync(deadline));
        foreach (var one in words)
        {
            await SaysAsync(process, one, deadline);
        }
    }

    /// <summary>The last lines of a process may be read after its end was seen.</summary>
    private static Task SaysAsync(ServiceProcess process, string words, CancellationToken deadline) =>
        Eventually.Is(() => process.Process.Log, log => log.Contains(words, StringComparison.Ordinal), deadline, words);

    private static Dictionary<string, string> Complete(Dictionary<string, string> settings)
    {
        var key = Path.Combine(AppContext.BaseDirectory, "footing-worker.key");
        File.WriteAllText(key, new string('k', 40));
        settings["TOWN_WORKER_KEY_FILE"] = key;
        settings["services__dispatcher__http__0"] = "http://127.0.0.1:9";
        return settings;
    }
}
