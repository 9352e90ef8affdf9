namespace Townhall.Settings.Tests;

public sealed class TownFileTests
{
    private const string Whole = """
        name = "oak"                       # the town
        default_cli = "codex"
        max_agents = 12
        use_streams = true

        [agent]
        idle_timeout_secs = 60

        [agent_clis.mine]
        command = "sh -c 'cat; echo done'"

        [townhall]
        bind = "127.0.0.1"
        rest_port = 8123
        request_timeout_ms = 2500

        [townhall.auth]
        mode = "api_key"
        api_key_scopes = ["town.read", "town.write"]

        [redis]
        url = "redis://:p%40ss@cache.example:6380"
        """;

    [Theory]
    [InlineData("TOWN_NAME", "oak")]
    [InlineData("TOWN_DEFAULT_CLI", "codex")]
    [InlineData("TOWN_MAX_AGENTS", "12")]
    [InlineData("TOWN_USE_STREAMS", "true")]
    [InlineData("TOWN_IDLE_TIMEOUT_SECS", "60")]
    [InlineData("TOWN_AGENT_CLIS", "mine=sh -c 'cat; echo done'")]
    [InlineData("TOWN_BIND", "127.0.0.1")]
    [InlineData("TOWN_PORT", "8123")]
    [InlineData("TOWN_REQUEST_TIMEOUT_MS", "2500")]
    [InlineData("TOWN_AUTH_MODE", "api_key")]
    [InlineData("TOWN_AUTH_API_KEY_SCOPES", "town.read,town.write")]
    [InlineData("REDIS_URL", "redis://:p%40ss@cache.example:6380")]
    public void Every_key_gives_its_setting(string setting, string value)
    {
        var file = TownFile.Parse(Whole, "tinytown.toml");
        Assert.Empty(file.Mistakes);
        Assert.Empty(file.Warnings);
        Assert.Equal(value, file.Settings()[setting]);
    }

    [Fact]
    public void An_unknown_key_is_named_with_its_line_and_a_guess()
    {
        var file = TownFile.Parse("name = \"oak\"\nmax_agent = 3\n[townhall]\nport = 1\n", "t.toml");
        Assert.Empty(file.Mistakes);
        Assert.Equal(
            ["t.toml line 2: nothing reads the key max_agent; is max_agents meant?", "t.toml line 4: nothing reads the key townhall.port"],
            file.Warnings);
    }

    [Fact]
    public void A_key_without_meaning_here_says_why()
    {
        var warning = Assert.Single(TownFile.Parse("[redis]\nuse_socket = true\n", "t.toml").Warnings);
        Assert.Equal("t.toml line 2: redis.use_socket has no effect. Redis is reached over TCP.", warning);
    }

    [Fact]
    public void All_mistakes_are_told_at_once_with_their_lines()
    {
        var file = TownFile.Parse("max_agents = \"many\"\nuse_streams = 1\n[townhall.auth]\napi_key_scopes = \"town.read\"\n", "t.toml");
        Assert.Equal(
            [
                "t.toml line 1: max_agents must be a number.",
                "t.toml line 2: use_streams must be true or false.",
                "t.toml line 4: townhall.auth.api_key_scopes must be an array of texts.",
            ],
            file.Mistakes);
    }

    [Fact]
    public void What_is_no_toml_is_a_mistake_and_gives_no_setting()
    {
        var file = TownFile.Parse("name = \"oak\"\nmax_agents = = 3\n", "t.toml");
        Assert.Contains(file.Mistakes, static mistake => mistake.StartsWith("t.toml line 2: ", StringComparison.Ordinal));
        Assert.Empty(file.Settings());
    }

    [Fact]
    public void Dotted_keys_and_inline_tables_mean_the_same()
    {
        var file = TownFile.Parse("agent.idle_timeout_secs = 5\ntownhall = { rest_port = 9000, auth = { mode = \"none\" } }\n", "t.toml");
        Assert.Equal(("5", "9000", "none"), (file.Settings()["TOWN_IDLE_TIMEOUT_SECS"], file.Settings()["TOWN_PORT"], file.Settings()["TOWN_AUTH_MODE"]));
    }

    [Fact]
    public void A_relative_path_is_meant_from_the_files_folder()
    {
        var settings = TownFile.Parse("[townhall.tls]\ncert_file = \"tls/town.crt\"\nkey_file = \"/etc/town.key\"\n", "/srv/oak/tinytown.toml").Settings();
        Assert.Equal(("/srv/oak/tls/town.crt", "/etc/town.key"), (settings["TOWN_TLS_CERT_FILE"], settings["TOWN_TLS_KEY_FILE"]));
    }

    [Theory]
    [InlineData("[agent_clis.mine]\ncommand = \"one\\ntwo\"\n")]
    [InlineData("[agent_clis.mine]\ncommand = \" \"\n")]
    [InlineData("[agent_clis.\"a=b\"]\ncommand = \"one\"\n")]
    public void A_preset_is_one_command_line(string text) => Assert.Single(TownFile.Parse(text, "t.toml").Mistakes);

    [Fact]
    public void A_list_of_tables_is_a_mistake() =>
        Assert.Equal(["t.toml line 2: a table of settings stands in single brackets."], TownFile.Parse("max_agents = 1\n[[redis]]\nhost = \"a\"\n", "t.toml").Mistakes);

    [Theory]
    [InlineData("[redis]\npassword = hunter2\n")]
    [InlineData("[redis]\npassword = \"hunter2\n")]
    [InlineData("[redis]\nurl = redis://:hunter2@cache\n")]
    [InlineData("[redis]\npassword =\n  hunter2\n")]
    [InlineData("[redis]\npassword = ['hunter2']\n")]
    [InlineData("[agent_clis.mine.env]\nTOKEN = hunter2\n")]
    public void No_mistake_shows_a_secret(string text)
    {
        var file = TownFile.Parse(text, "t.toml");
        Assert.NotEmpty(file.Mistakes);
        Assert.DoesNotContain(file.Mistakes, static mistake => mistake.Contains("hunter2", StringComparison.Ordinal));
    }

    [Fact]
    public void A_file_that_is_not_there_says_nothing()
    {
        var file = TownFile.Read(Path.Combine(Path.GetTempPath(), $"{Guid.NewGuid():N}.toml"));
        Assert.Equal((0, 0, 0), (file.Entries.Count, file.Mistakes.Count, file.Warnings.Count));
    }
}
