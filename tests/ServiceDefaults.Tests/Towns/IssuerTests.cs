using Townhall.ServiceDefaults.Tests.Authentication;
using Townhall.Testing;

namespace Townhall.ServiceDefaults.Tests.Towns;

/// <summary>A town that takes tokens of an issuer, over HTTP.</summary>
public sealed class IssuerTests(PostgresServer postgres, RedisServer redis) : IClassFixture<PostgresServer>, IClassFixture<RedisServer>
{
    private readonly CancellationToken _deadline = Deadline.Of(TimeSpan.FromSeconds(120));

    [Fact]
    public async Task Tokens_and_named_keys_are_callers_and_an_issuer_that_is_away_is_503_and_not_401()
    {
        await using var issuer = await Issuer.StartAsync();
        await using var town = await KeyTown.StartAsync(postgres, redis, _deadline);
        await town.AddAsync("townhall", _deadline, more: new Dictionary<string, string>
        {
            ["TOWN_AUTH_MODE"] = "oidc",
            ["TOWN_AUTH_ISSUER"] = issuer.Address,
            ["TOWN_AUTH_AUDIENCE"] = Issuer.Audience,
        });

        await issuer.GoAsync();
        Assert.Equal(503, await StatusAsync(issuer.Token()));
        await issuer.ComeAsync();
        await Eventually.Is(200, () => StatusAsync(issuer.Token()), _deadline);

        Assert.Equal(401, await StatusAsync(issuer.Token(lifeSecs: -3600)));
        Assert.Equal(401, await StatusAsync(issuer.Token(audience: "another")));
        Assert.Equal(403, await StatusAsync(issuer.Token("openid profile")));
        var (key, _) = await town.MakeKeyAsync("ci", ["town.read"], _deadline);
        Assert.Equal(200, await StatusAsync(key));

        Assert.Equal(201, (await town.SendAsync(
            HttpMethod.Post, "/v1/agents", issuer.Token("agent.manage", subject: "grace"), _deadline, """{"name":"scout","cli":"sh"}""")).Status);
        Assert.Equal("oidc:grace", Assert.Single(await town.EntriesAsync("AgentSpawned", _deadline)).Actor);

        async Task<int> StatusAsync(string credential) => (await town.SendAsync(HttpMethod.Get, "/v1/agents", credential, _deadline)).Status;
    }

    [Fact]
    public async Task The_configured_key_is_api_key_with_its_scopes_and_no_other_secret_is()
    {
        await using var town = await KeyTown.StartAsync(postgres, redis, _deadline);
        await town.AddAsync("townhall", _deadline, more: new Dictionary<string, string>
        {
            ["TOWN_AUTH_API_KEY_HASH"] = Secrets.Argon2.Hash("correct horse battery staple"),
            ["TOWN_AUTH_API_KEY_SCOPES"] = "town.read,agent.manage",
        });

        Assert.Equal(401, await StatusAsync("wrong horse"));
        Assert.Equal(200, await StatusAsync("correct horse battery staple"));
        Assert.Equal(401, await StatusAsync("wrong horse"));
        Assert.Equal(403, (await town.SendAsync(HttpMethod.Post, "/v1/tasks/assign", "correct horse battery staple", _deadline, "{}")).Status);
        Assert.Equal(201, (await town.SendAsync(
            HttpMethod.Post, "/v1/agents", "correct horse battery staple", _deadline, """{"name":"scout","cli":"sh"}""")).Status);
        Assert.Equal("api_key", Assert.Single(await town.EntriesAsync("AgentSpawned", _deadline)).Actor);

        async Task<int> StatusAsync(string credential) => (await town.SendAsync(HttpMethod.Get, "/v1/agents", credential, _deadline)).Status;
    }

    [Fact]
    public async Task A_town_that_nobody_could_call_does_not_start()
    {
        await using var database = await postgres.CreateDatabaseAsync(_deadline);
        var settings = database.Settings(redis.Instance);
        settings["TOWN_AUTH_MODE"] = "api_key";

        await using var service = await ServiceProcess.BeginAsync("services/townhall", settings);

        Assert.Equal(78, await service.Process.ExitAsync(_deadline));
        await Eventually.Holds(() => service.Process.Log.Contains("TOWN_ADMIN_KEY_FILE", StringComparison.Ordinal), _deadline);
    }
}
