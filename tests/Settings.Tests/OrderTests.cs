using Microsoft.Extensions.Configuration;

namespace Townhall.Settings.Tests;

/// <summary>Flags, TOWN_*, ConnectionStrings__*, earlier names, the file: the stronger one wins.</summary>
public sealed class OrderTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("townhall-settings-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void The_file_is_the_weakest()
    {
        var configuration = Configured("name = \"file\"\nmax_agents = 3\n", ("TOWN_NAME", "variable"), ("TINYTOWN_TOWN_NAME", "earlier"));
        Assert.Equal(("variable", "3"), (configuration["TOWN_NAME"], configuration["TOWN_MAX_AGENTS"]));
    }

    [Fact]
    public void An_earlier_name_wins_over_the_file_only()
    {
        var configuration = Configured("name = \"file\"\n", ("TINYTOWN_TOWN_NAME", "earlier"));
        Assert.Equal("earlier", configuration["TOWN_NAME"]);
    }

    [Fact]
    public void A_connection_string_wins_over_REDIS_URL_and_that_over_the_file()
    {
        const string file = "[redis]\nurl = \"redis://file.example\"\n";
        Assert.Equal("file.example:6379", Configured(file).GetConnectionString("redis"));
        Assert.Equal("url.example:7000,password=p@ss", Configured(file, ("REDIS_URL", "redis://:p%40ss@url.example:7000")).GetConnectionString("redis"));
        Assert.Equal("given:1", Configured(file, ("REDIS_URL", "redis://url.example"), ("ConnectionStrings:redis", "given:1")).GetConnectionString("redis"));
    }

    [Fact]
    public void Host_port_and_password_make_a_connection_string_and_the_password_may_come_from_outside()
    {
        const string file = "[redis]\nhost = \"cache\"\nport = 6390\npassword = \"in file\"\ntls_enabled = true\n";
        Assert.Equal("cache:6390,password=in file,ssl=true", Configured(file).GetConnectionString("redis"));
        Assert.Equal("cache:6390,password=outside,ssl=true", Configured(file, ("TINYTOWN_REDIS_PASSWORD", "outside")).GetConnectionString("redis"));
    }

    [Fact]
    public void A_URL_may_name_user_database_and_TLS() => Assert.Equal(
        "url.example:6379,user=town,password=secret,ssl=true,defaultDatabase=3",
        Configured("", ("REDIS_URL", "rediss://town:secret@url.example/3")).GetConnectionString("redis"));

    [Theory]
    [InlineData("REDIS_URL", "http://url.example")]
    [InlineData("REDIS_URL", "redis://url.example/first")]
    [InlineData("TINYTOWN_REDIS_PORT", "many")]
    [InlineData("TINYTOWN_REDIS_PASSWORD", "one,two")]
    public void What_makes_no_connection_string_is_a_mistake_that_shows_no_value(string name, string value)
    {
        var mistake = Assert.Single(Source("[redis]\nhost = \"cache\"\n", (name, value)).Source.Mistakes);
        Assert.Contains(name, mistake, StringComparison.Ordinal);
        Assert.DoesNotContain(value, mistake, StringComparison.Ordinal);
    }

    [Fact]
    public void An_empty_variable_is_as_good_as_none()
    {
        var configuration = Configured("name = \"file\"\nmax_agents = 3\n", ("TOWN_NAME", ""), ("TOWN_MAX_AGENTS", ""), ("TINYTOWN_TOWN_NAME", "earlier"));
        Assert.Equal(("earlier", "3"), (configuration["TOWN_NAME"], configuration["TOWN_MAX_AGENTS"]));
    }

    [Fact]
    public void What_was_set_before_and_after_by_hand_stays()
    {
        var configuration = new ConfigurationManager { ["TOWN_CONFIG"] = File_("name = \"file\"\nmax_agents = 3\n"), ["TOWN_NAME"] = "by hand" };
        configuration.AddTownFile();
        configuration["urls"] = "http://127.0.0.1:1";
        configuration.AddInMemoryCollection([KeyValuePair.Create("TOWN_MAX_AGENTS", (string?)"9")]);
        Assert.Equal(("by hand", "9", "http://127.0.0.1:1"), (configuration["TOWN_NAME"], configuration["TOWN_MAX_AGENTS"], configuration["urls"]));
    }

    [Fact]
    public void An_empty_list_of_scopes_is_more_than_none() => Assert.Equal(
        "", Configured("[townhall.auth]\napi_key_scopes = [\"admin\"]\n", ("TOWN_AUTH_API_KEY_SCOPES", ""))["TOWN_AUTH_API_KEY_SCOPES"]);

    [Fact]
    public void The_file_is_looked_for_where_an_earlier_name_says_the_town_is()
    {
        var configuration = new ConfigurationManager();
        configuration.AddInMemoryCollection([KeyValuePair.Create("TINYTOWN_TOWN_DIR", (string?)_folder)]);
        Assert.Equal(Path.Combine(_folder, TownFile.DefaultName), configuration.AddTownFile("/elsewhere").Path);
    }

    [Fact]
    public void Without_a_word_about_Redis_nothing_is_made_up() => Assert.Null(Configured("name = \"oak\"\n").GetConnectionString("redis"));

    private ConfigurationManager Configured(string file, params (string Name, string Value)[] variables) => Source(file, variables).Configuration;

    private (ConfigurationManager Configuration, TownFileSource Source) Source(string file, params (string Name, string Value)[] variables)
    {
        var configuration = new ConfigurationManager();
        configuration.AddInMemoryCollection(
            variables.Append((Name: "TOWN_CONFIG", Value: File_(file))).Select(static one => KeyValuePair.Create(one.Name, (string?)one.Value)));
        return (configuration, configuration.AddTownFile());
    }

    private string File_(string text)
    {
        var path = Path.Combine(_folder, $"{Guid.NewGuid():N}.toml");
        File.WriteAllText(path, text);
        return path;
    }
}
