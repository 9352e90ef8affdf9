using Microsoft.Extensions.Configuration;
using Townhall.Secrets;
using Townhall.ServiceDefaults.Authentication;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.ServiceDefaults.Tests.Authentication;

public sealed class SettingsTests
{
    private static readonly string Hash = Argon2.Hash("a key of somebody");

    [Fact]
    public void Without_settings_everybody_of_this_machine_is_local() =>
        Assert.Equal((AuthMode.None, true), (Read([]).Auth.Mode, Read([]).Auth.PublicProbes));

    [Fact]
    public void All_mistakes_are_said_at_once_each_with_its_setting()
    {
        var refused = Assert.Throws<SettingsException>(() => Read(new()
        {
            ["TOWN_AUTH_MODE"] = "oidc",
            ["TOWN_AUTH_API_KEY_HASH"] = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8",
            ["TOWN_AUTH_CLOCK_SKEW_SECONDS"] = "-1",
            ["TOWN_PUBLIC_PROBES"] = "perhaps",
            ["TOWN_EDGE_KEY_FILE"] = "/nowhere/edge.key",
            ["TOWN_NAME"] = "No Town",
        }));

        Assert.All(
            (string[])["TOWN_AUTH_ISSUER", "TOWN_AUTH_AUDIENCE", "TOWN_AUTH_API_KEY_HASH", "TOWN_AUTH_API_KEY_SCOPES", "TOWN_AUTH_CLOCK_SKEW_SECONDS", "TOWN_PUBLIC_PROBES", "TOWN_EDGE_KEY_FILE", "TOWN_NAME"],
            setting => Assert.Contains(refused.Mistakes, mistake => mistake.Contains(setting, StringComparison.Ordinal)));
    }

    [Fact]
    public void A_configured_key_without_scopes_refuses_and_with_empty_ones_may_nothing()
    {
        var refused = Assert.Throws<SettingsException>(() => Read(new() { ["TOWN_AUTH_MODE"] = "api_key", ["TOWN_AUTH_API_KEY_HASH"] = Hash }));
        Assert.Contains("TOWN_AUTH_API_KEY_SCOPES", Assert.Single(refused.Mistakes), StringComparison.Ordinal);

        var read = Read(new() { ["TOWN_AUTH_MODE"] = "api_key", ["TOWN_AUTH_API_KEY_HASH"] = Hash, ["TOWN_AUTH_API_KEY_SCOPES"] = "" });
        Assert.Equal((Hash, ScopeSet.None), (read.Auth.ApiKeyHash, read.Auth.ApiKeyScopes));
    }

    [Theory]
    [InlineData("http://issuer.example")]
    [InlineData("issuer.example")]
    public void An_issuer_over_plain_http_elsewhere_is_refused(string issuer) => Assert.Throws<SettingsException>(() => Read(new()
    {
        ["TOWN_AUTH_MODE"] = "oidc",
        ["TOWN_AUTH_ISSUER"] = issuer,
        ["TOWN_AUTH_AUDIENCE"] = "town",
    }));

    [Theory]
    [InlineData("urls", "http://0.0.0.0:8080")]
    [InlineData("urls", "http://127.0.0.1:1;http://*:8080")]
    [InlineData("urls", "http://[::]:8080")]
    [InlineData("urls", "http://town.example:8080")]
    [InlineData("http_ports", "8080")]
    [InlineData("https_ports", "8443")]
    [InlineData("Kestrel:Endpoints:any:Url", "http://+:8080")]
    public void Without_authentication_no_other_machine_is_listened_to(string setting, string address)
    {
        var refused = Assert.Throws<SettingsException>(() => Read(new() { [setting] = address }));
        Assert.Contains("TOWN_AUTH_MODE", Assert.Single(refused.Mistakes), StringComparison.Ordinal);

        var tls = setting == "https_ports" ? "true" : "false";
        Assert.Single(Read(new() { [setting] = address, ["TOWN_AUTH_MODE"] = "api_key", ["TOWN_TLS_ENABLED"] = tls }).OpenListeners);
    }

    [Theory]
    [InlineData("urls", "https://127.0.0.1:8443", "none")]
    [InlineData("https_ports", "8443", "api_key")]
    [InlineData("Kestrel:Endpoints:any:Url", "https://+:8443", "api_key")]
    public void An_address_that_names_TLS_where_nobody_serves_it_is_refused_and_not_a_crash(string setting, string address, string mode)
    {
        var refused = Assert.Throws<SettingsException>(() => Read(new() { [setting] = address, ["TOWN_AUTH_MODE"] = mode }));
        Assert.Contains("TOWN_TLS_ENABLED", Assert.Single(refused.Mistakes), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("api_key", "urls", "http://0.0.0.0:8080", false, 2)]
    [InlineData("api_key", "http_ports", "8080;8081", false, 3)]
    [InlineData("api_key", "urls", "http://0.0.0.0:8080", true, 1)]
    [InlineData("api_key", "urls", "https://0.0.0.0:8443", true, 1)]
    [InlineData("api_key", "urls", "http://127.0.0.1:8080", false, 0)]
    [InlineData("oidc", "urls", "http://0.0.0.0:8080;http://127.0.0.1:8081", false, 1)]
    [InlineData("oidc", "urls", "http://0.0.0.0:8080", true, 0)]
    public void With_authentication_an_open_listener_is_warned_about_and_twice_where_credentials_cross_it_in_clear(
        string mode, string setting, string address, bool tls, int warnings)
    {
        var read = Read(new()
        {
            [setting] = address,
            ["TOWN_AUTH_MODE"] = mode,
            ["TOWN_TLS_ENABLED"] = tls ? "true" : "false",
            ["TOWN_AUTH_ISSUER"] = "https://issuer.example",
            ["TOWN_AUTH_AUDIENCE"] = "town",
        });

        Assert.Equal(warnings, Listeners.Warnings(read, tls).Count());
        Assert.All(Listeners.Warnings(read, tls), static said => Assert.Contains("TOWN_", said, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("http://127.0.0.1:8080")]
    [InlineData("http://localhost:8080;http://[::1]:8080")]
    [InlineData("http://127.9.9.9:8080/")]
    [InlineData("http://unix:/run/town.sock")]
    public void This_machine_is_listened_to_in_every_mode(string urls)
    {
        var read = Read(new() { ["urls"] = urls });
        Assert.Equal(AuthMode.None, read.Auth.Mode);
        Assert.Empty(read.OpenListeners);
    }

    [Theory]
    [InlineData("right", true)]
    [InlineData("wrong", false)]
    public void An_Argon2id_hash_knows_its_secret(string secret, bool right)
    {
        var hash = Argon2.Hash("right");

        Assert.StartsWith("$argon2id$v=19$m=65536,t=3,p=1$", hash, StringComparison.Ordinal);
        Assert.Null(Argon2.Fault(hash));
        Assert.Equal(right, Argon2.Verify(hash, secret));
    }

    [Theory]
    [InlineData("$argon2i$v=19$m=65536,t=3,p=1$c29tZXNhbHRzb21lc2FsdA$WU4f0q1IVYJX8f0q1IVYJX8f0q1IVYJXWU4f0q1IVYI")]
    [InlineData("$argon2id$v=19$m=99999999,t=3,p=1$c29tZXNhbHRzb21lc2FsdA$WU4f0q1IVYJX8f0q1IVYJX8f0q1IVYJXWU4f0q1IVYI")]
    [InlineData("plain")]
    public void What_is_no_bounded_Argon2id_hash_is_refused(string hash) => Assert.NotNull(Argon2.Fault(hash));

    private static TownSettings Read(Dictionary<string, string?> settings) =>
        TownSettings.From(new ConfigurationBuilder().AddInMemoryCollection(settings).Build());
}
