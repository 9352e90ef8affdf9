using Microsoft.Extensions.Configuration;
using Townhall.Api.Town;
using Townhall.Contracts.Keys;
using Townhall.ServiceDefaults.Settings;
using Townhall.Testing;

namespace Townhall.Api.Tests.Town;

public sealed class TownTests(PostgresServer postgres) : IClassFixture<PostgresServer>
{
    [Fact]
    public void Uptime_counts_from_the_start_and_not_from_the_first_question()
    {
        var clock = new TestClock();
        var uptime = new Uptime(clock);
        clock.Advance(TimeSpan.FromSeconds(90));
        Assert.Equal(90, uptime.Seconds);
    }

    [Theory]
    [InlineData("oak:work")]
    [InlineData("oak*")]
    [InlineData("oak?")]
    [InlineData("[oak]")]
    [InlineData("oak/../elm")]
    [InlineData("Oak")]
    [InlineData("_oak")]
    [InlineData("oak\n")]
    [InlineData("öak")]
    [InlineData(" ")]
    [InlineData("a123456789a123456789a123456789a123456789a123456789a123456789abcd")]
    public void A_town_name_that_could_mean_more_than_a_name_is_refused_at_the_start(string name)
    {
        var refused = Assert.Throws<SettingsException>(() => TownSettings.From(Configured(name)));
        Assert.Contains(refused.Mistakes, static mistake => mistake.StartsWith("TOWN_NAME must be ", StringComparison.Ordinal));
        Assert.Equal("oak-2_b", TownSettings.From(Configured("oak-2_b")).Name);
    }

    [Fact]
    public async Task What_anybody_may_read_tells_no_path_no_address_and_no_secret_also_when_something_is_away()
    {
        var deadline = Deadline.Of(TimeSpan.FromSeconds(60));
        var folder = Directory.CreateTempSubdirectory("townhall-anybody-").FullName;
        try
        {
            var (admin, _, _) = KeyFormat.Make();
            var file = Path.Combine(folder, "admin.key");
            await File.WriteAllTextAsync(file, admin, deadline);
            await using var database = await postgres.CreateDatabaseAsync(deadline);
            var settings = database.Settings();
            settings["TOWN_AUTH_MODE"] = "api_key";
            settings["TOWN_ADMIN_KEY_FILE"] = file;
            settings["TOWN_ROOT"] = folder;
            settings["ConnectionStrings__redis"] = "127.0.0.1:9,password=hunter22hunter22";
            await using var townhall = await ServiceProcess.BeginAsync("services/townhall", settings);
            await Eventually.Is(true, async () => await Ports.ListensAsync(townhall.Port, deadline), deadline);
            foreach (var path in (string[])["/health", "/healthz", "/ready", "/readyz", "/metrics", "/v1/town", "/v1/status"])
            {
                var answer = await ReadAsync(path);
                Assert.Equal(path[1..3] switch { "he" => 200, "re" => 503, "me" => answer.Status, _ => 401 }, answer.Status);
                Assert.NotEmpty(answer.Text);
                foreach (var kept in (string[])[folder, "127.0.0.1", "hunter22", "town_app", "password", "Exception", " at Townhall."])
                {
                    Assert.DoesNotContain(kept, answer.Text, StringComparison.OrdinalIgnoreCase);
                }
            }

            townhall.Client.DefaultRequestHeaders.Authorization = new("Bearer", admin);
            var town = await Eventually.Is(() => ReadAsync("/v1/town"), static answer => answer.Status == 200, deadline, "the caller to be known");
            Assert.Contains(folder, town.Text, StringComparison.Ordinal);
            Assert.DoesNotContain("hunter22", town.Text, StringComparison.Ordinal);

            async Task<Answer> ReadAsync(string path) =>
                await Answer.ReadAsync(await townhall.Client.GetAsync(new Uri(path, UriKind.Relative), deadline), deadline);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static IConfiguration Configured(string name) =>
        new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?> { ["TOWN_NAME"] = name }).Build();
}
