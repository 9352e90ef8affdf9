using System.Text.Json;
using Townhall.Cli.Keys;
using Townhall.Cli.Tests.Harness;
using Townhall.Contracts.Keys;
using Townhall.Testing;

namespace Townhall.Cli.Tests.Keys;

/// <summary><c>tt keys</c> against a real town that asks for keys.</summary>
public sealed class KeyTests(PostgresServer postgres, RedisServer redis) : IClassFixture<PostgresServer>, IClassFixture<RedisServer>
{
    [Fact]
    public async Task A_key_is_made_used_replaced_and_ended()
    {
        var deadline = Deadline.Of(TimeSpan.FromSeconds(90));
        using var folder = new TemporaryFolder();
        var admin = KeyFormat.Make().Key;
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var settings = database.Settings(redis.Instance);
        settings["TOWN_AUTH_MODE"] = "api_key";
        settings["TOWN_ADMIN_KEY_FILE"] = folder.Write("admin.key", admin);
        await using var service = await ServiceProcess.StartAsync("services/townhall", settings, deadline);

        Assert.Equal(0, (await AskAsync(admin, "spawn", "scout", "--cli", "sh")).ExitCode);
        var (exitCode, key, said) = await AskAsync(
            admin, ["keys", "create", "ci", "--agent", "scout", "--expires", "90d", .. KeyCommands.Scopes.SelectMany(static scope => (string[])["--scope", scope])]);
        Assert.Equal(0, exitCode);
        key = Assert.Single(key.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.StartsWith("thk_", key, StringComparison.Ordinal);
        Assert.Contains("(ci), good for town.read, town.write, agent.manage, admin, worker until 20", said, StringComparison.Ordinal);
        Assert.EndsWith("it is never shown again.\n", said, StringComparison.Ordinal);
        Assert.Equal(0, (await AskAsync(key, "list")).ExitCode);

        var (_, people, _) = await AskAsync(key, "keys", "list");
        var (_, json, _) = await AskAsync(key, "keys", "list", "--json");
        Assert.Contains(key[4..20], people, StringComparison.Ordinal);
        Assert.DoesNotContain(key, people + json, StringComparison.Ordinal);
        Assert.Equal("active", JsonDocument.Parse(json).RootElement.GetProperty("keys")[0].GetProperty("state").GetString());

        var (_, rotated, _) = await AskAsync(admin, "keys", "rotate", "CI", "--overlap", "1h", "--json");
        var made = JsonDocument.Parse(rotated).RootElement;
        Assert.Equal(key[4..20], made.GetProperty("replaced_key_id").GetString());
        var (both, next) = (await AskAsync(key, "list"), made.GetProperty("key").GetString()!);
        Assert.Equal((0, 0), (both.ExitCode, (await AskAsync(next, "list")).ExitCode));

        // By its name, which means the active one, and by its id.
        Assert.Equal(0, (await AskAsync(admin, "keys", "revoke", "ci")).ExitCode);
        Assert.Equal(0, (await AskAsync(admin, "keys", "revoke", key[4..20], "--json")).ExitCode);
        await Eventually.Is(
            async () => ((await AskAsync(next, "list")).ExitCode, (await AskAsync(key, "list")).ExitCode), static codes => codes == (4, 4), deadline);
        var (missing, _, words) = await AskAsync(admin, "keys", "revoke", "ci");
        Assert.Equal((3, "key_not_found: There is no active key ci.\n"), (missing, words));

        async Task<(int ExitCode, string Out, string Error)> AskAsync(string credential, params string[] arguments)
        {
            var terminal = new TestTerminal();
            terminal.Environment["TOWN_API_KEY"] = credential;
            terminal.Environment["TOWN_URL"] = service.Address.ToString();
            return (await terminal.RunAsync(deadline, arguments), terminal.Out, terminal.Error);
        }
    }

    [Theory]
    [InlineData("90d", 90L * 86_400)]
    [InlineData("12h", 43_200L)]
    [InlineData("30m", 1800L)]
    [InlineData("45s", 45L)]
    [InlineData("3600", 3600L)]
    [InlineData("0", 0L)]
    [InlineData("", null)]
    [InlineData("d", null)]
    [InlineData("-1", null)]
    [InlineData("1.5h", null)]
    [InlineData("1w", null)]
    [InlineData("9223372036854775807d", null)]
    public void A_length_of_time_is_a_number_and_a_unit(string text, long? secs) => Assert.Equal(secs, (long?)Lasting.Read(text)?.TotalSeconds);
}
