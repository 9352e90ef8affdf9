using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Townhall.ServiceDefaults.Authentication;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Settings.Tests;

public sealed class WatchTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("townhall-settings-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task What_may_change_changes_and_the_rest_waits_for_the_next_start()
    {
        await using var app = Built("max_agents = 3\nuse_streams = false\n[agent]\nidle_timeout_secs = 60\n");
        var town = app.Services.GetRequiredService<TownSettings>();
        Change("max_agents = 7\nuse_streams = true\n[agent]\nidle_timeout_secs = 5\n");
        Watch(app).Look();
        Assert.Equal((7, TimeSpan.FromSeconds(5), false), (town.MaxAgents, town.IdleTimeout, town.UseStreams));
    }

    [Fact]
    public async Task A_file_with_a_mistake_changes_nothing_and_the_corrected_one_does()
    {
        await using var app = Built("max_agents = 3\n");
        var town = app.Services.GetRequiredService<TownSettings>();
        Change("max_agents = = 9\n");
        Watch(app).Look();
        Assert.Equal(3, town.MaxAgents);
        Change("max_agents = -1 # out of bounds\n");
        Watch(app).Look();
        Assert.Equal(3, town.MaxAgents);
        Change("max_agents = 11\n");
        Watch(app).Look();
        Assert.Equal(11, town.MaxAgents);
    }

    [Fact]
    public async Task A_key_that_is_taken_out_goes_back_to_its_default()
    {
        await using var app = Built("max_agents = 3\n");
        Change("# nothing\n");
        Watch(app).Look();
        Assert.Equal(10, app.Services.GetRequiredService<TownSettings>().MaxAgents);
    }

    [Fact]
    public void A_start_names_every_mistake_of_the_file_and_of_the_values_with_its_place()
    {
        var wrong = Assert.Throws<SettingsException>(() => Built("max_agents = -1\n[agent]\nidle_timeout_secs = 100000000\n"));
        Assert.Equal(2, wrong.Mistakes.Count);
        Assert.All(wrong.Mistakes, mistake => Assert.Contains($"in {Path_}, line ", mistake, StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_file_says_how_callers_are_recognised()
    {
        await using var app = Built("""
            [townhall]
            request_timeout_ms = 2500
            [townhall.auth]
            mode = "oidc"
            issuer = "https://id.example"
            audience = "town"
            jwks_url = "https://id.example/keys"
            required_scopes = ["one", "two"]
            clock_skew_seconds = 5
            api_key_hash = "$argon2id$v=19$m=65536,t=3,p=1$c29tZXNhbHRzb21lc2FsdA$WU4f0q1IVYJX8f0q1IVYJX8f0q1IVYJXWU4f0q1IVYI"
            api_key_scopes = ["town.read", "town.write"]
            """);
        var town = app.Services.GetRequiredService<TownSettings>();
        Assert.Equal(
            (AuthMode.Oidc, "https://id.example", "town", new Uri("https://id.example/keys"), TimeSpan.FromSeconds(5), TimeSpan.FromMilliseconds(2500)),
            (town.Auth.Mode, town.Auth.Issuer, town.Auth.Audience, town.Auth.JwksUrl, town.Auth.ClockSkew, town.RequestTimeout));
        Assert.Equal(["one", "two"], town.Auth.RequiredScopes);
        Assert.Equal(ScopeSet.TownRead | ScopeSet.TownWrite, town.Auth.ApiKeyScopes);
    }

    [Fact]
    public void A_services_own_mistakes_are_told_with_the_others_and_with_their_line()
    {
        Change("max_agents = -1\n[townhall.mtls]\nca_file = \"none.pem\"\n");
        var builder = WebApplication.CreateSlimBuilder();
        builder.Configuration["TOWN_CONFIG"] = Path_;
        var wrong = Assert.Throws<SettingsException>(() => builder.AddServiceDefaults(
            static (configuration, _, mistakes) => mistakes.Add($"TOWN_MTLS_CA_FILE ({configuration["TOWN_MTLS_CA_FILE"]}) is not there.")));
        Assert.Equal(2, wrong.Mistakes.Count);
        Assert.Contains(wrong.Mistakes, mistake => mistake.Contains(Path.Combine(_folder, "none.pem"), StringComparison.Ordinal)
            && mistake.EndsWith($"townhall.mtls.ca_file in {Path_}, line 3.", StringComparison.Ordinal));
    }

    private string Path_ => Path.Combine(_folder, "tinytown.toml");

    private static TownFileWatch Watch(WebApplication app) => app.Services.GetServices<IHostedService>().OfType<TownFileWatch>().Single();

    private void Change(string text) => File.WriteAllText(Path_, text);

    private WebApplication Built(string file)
    {
        Change(file);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Configuration["TOWN_CONFIG"] = Path_;
        builder.AddServiceDefaults();
        return builder.Build();
    }
}
