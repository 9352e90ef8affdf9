using System.Text.Json;
using Townhall.Cli.Tests.Harness;

namespace Townhall.Cli.Tests.Configuration;

public sealed class ConfigTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string Path_ => Path.Combine(_folder.Path, "tinytown.toml");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Every_key_is_listed_with_its_value_and_no_secret_is_shown()
    {
        _folder.Write("tinytown.toml", "max_agents = 20\n[redis]\npassword = \"hunter2\"\n[agent_clis.mine.env]\nTOKEN = \"hunter2\"\n");
        var (people, program) = (Terminal(), Terminal());
        Assert.Equal(0, await people.RunAsync("config"));
        Assert.Matches("max_agents +│ 20 ", people.Out);
        Assert.Matches(@"redis\.password +│ \*\*\* ", people.Out);

        Assert.Equal(0, await program.RunAsync("config", "list", "--json"));
        var list = JsonDocument.Parse(program.Out).RootElement;
        Assert.Equal(Path_, list.GetProperty("file").GetString());
        var row = list.GetProperty("settings").EnumerateArray().Single(static row => row.GetProperty("key").GetString() == "max_agents");
        Assert.Equal(("20", 1, "TOWN_MAX_AGENTS", "within seconds"), (
            row.GetProperty("value").GetString(), row.GetProperty("line").GetInt32(), row.GetProperty("setting").GetString(),
            row.GetProperty("takes_effect").GetString()));
        Assert.DoesNotContain("hunter2", people.Out + people.Error + program.Out + program.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_key_is_read_and_one_that_does_not_stand_there_ends_with_3()
    {
        _folder.Write("tinytown.toml", "[agent]\nidle_timeout_secs = 60\n");
        var terminal = Terminal();
        Assert.Equal(0, await terminal.RunAsync("config", "get", "agent.idle_timeout_secs"));
        Assert.Equal(0, await terminal.RunAsync("config", "agent.idle_timeout_secs"));
        Assert.Equal("60\n60\n", terminal.Out);
        Assert.Equal(3, await terminal.RunAsync("config", "get", "max_agents"));
        Assert.StartsWith("max_agents does not stand in ", terminal.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_key_is_changed_comments_and_mode_stay_and_nothing_is_left_beside()
    {
        _folder.Write("tinytown.toml", "# ours\nmax_agents = 20 # enough\n");
        File.SetUnixFileMode(Path_, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        var (people, program) = (Terminal(), Terminal());
        Assert.Equal(0, await people.RunAsync("config", "set", "max_agents", "7"));
        Assert.Contains("max_agents = 7", people.Out, StringComparison.Ordinal);
        Assert.Equal(0, await program.RunAsync("config", "townhall.auth.api_key_scopes", "town.read,town.write", "--json"));
        Assert.Equal("at the next start", JsonDocument.Parse(program.Out).RootElement.GetProperty("takes_effect").GetString());
        Assert.Equal(
            "# ours\nmax_agents = 7 # enough\n\n[townhall.auth]\napi_key_scopes = [\"town.read\", \"town.write\"]\n", await File.ReadAllTextAsync(Path_));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path_));
        Assert.Equal([Path_], Directory.GetFiles(_folder.Path));
    }

    [Fact]
    public async Task A_secret_comes_from_standard_input_into_a_file_for_its_owner_only()
    {
        var terminal = Terminal();
        terminal.Input = "hunter2\n";
        Assert.Equal(0, await terminal.RunAsync("config", "set", "redis.password", "-"));
        Assert.Equal("[redis]\npassword = \"hunter2\"\n", await File.ReadAllTextAsync(Path_));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path_));
        Assert.DoesNotContain("hunter2", terminal.Out + terminal.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_link_stays_a_link()
    {
        var real = _folder.Write("real.toml", "max_agents = 1\n");
        File.CreateSymbolicLink(Path_, real);
        Assert.Equal(0, await Terminal().RunAsync("config", "set", "max_agents", "2"));
        Assert.Equal(real, new FileInfo(Path_).LinkTarget);
        Assert.Equal("max_agents = 2\n", await File.ReadAllTextAsync(real));
    }

    [Theory]
    [InlineData("max_agents", "many", 2, "usage: max_agents must be a number")]
    [InlineData("max_agnets", "3", 3, "unknown_key: There is no key max_agnets. Did you mean max_agents?")]
    public async Task What_makes_no_sense_is_refused_and_changes_nothing(string key, string value, int exitCode, string words)
    {
        var terminal = Terminal();
        Assert.Equal(exitCode, await terminal.RunAsync("config", "set", key, value));
        Assert.StartsWith(words, terminal.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(Path_));
    }

    [Fact]
    public async Task A_file_with_mistakes_is_shown_with_them_and_ends_with_1()
    {
        _folder.Write("tinytown.toml", "max_agents = \"many\"\nmax_agnets = 3\n");
        var terminal = Terminal();
        Assert.Equal(1, await terminal.RunAsync("config", "list"));
        Assert.Equal(
            $"{Path_} line 1: max_agents must be a number.\n{Path_} line 2: nothing reads the key max_agnets; is max_agents meant?\n", terminal.Error);
        Assert.Equal(1, await terminal.RunAsync("config", "get", "max_agents"));
        Assert.Equal(2, await terminal.RunAsync("config", "set", "max_agents", "3"));
    }

    [Theory]
    [InlineData("TOWN_PORT", "townhall.rest_port", "8081")]
    [InlineData("TINYTOWN_REST_PORT", "townhall.rest_port", "8081")]
    [InlineData("ConnectionStrings__redis", "redis.host", "cache")]
    public async Task A_variable_that_wins_is_named(string variable, string key, string value)
    {
        var terminal = Terminal();
        terminal.Environment[variable] = "9000";
        Assert.Equal(0, await terminal.RunAsync("config", "set", key, value, "--json"));
        Assert.Equal(variable, JsonDocument.Parse(terminal.Out).RootElement.GetProperty("overridden").GetString());
    }

    [Fact]
    public async Task The_file_is_the_named_one_then_the_folders_then_the_environments()
    {
        var (named, elsewhere) = (_folder.Write("named.toml", "max_agents = 1\n"), _folder.Write("elsewhere/tinytown.toml", "max_agents = 2\n"));
        _folder.Write("tinytown.toml", "max_agents = 3\n");
        var terminal = Terminal();
        terminal.Environment["TOWN_CONFIG"] = _folder.Write("environment.toml", "max_agents = 4\n");
        Assert.Equal(0, await terminal.RunAsync("config", "get", "max_agents"));
        Assert.Equal(0, await terminal.RunAsync("config", "get", "max_agents", "--file", named));
        Assert.Equal(0, await terminal.RunAsync("config", "get", "max_agents", "--town", Path.GetDirectoryName(elsewhere)!));
        terminal.Environment.Clear();
        Assert.Equal(0, await terminal.RunAsync("config", "get", "max_agents"));
        Assert.Equal("4\n1\n2\n3\n", terminal.Out);
    }

    private TestTerminal Terminal() => new() { Folder = _folder.Path };
}
