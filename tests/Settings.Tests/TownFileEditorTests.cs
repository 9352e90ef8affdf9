namespace Townhall.Settings.Tests;

public sealed class TownFileEditorTests
{
    private const string Before = "# ours\nname = \"oak\" # the town\n\n[townhall]\nrest_port = 8080\n\n[redis]\nhost = \"a\"\n";

    [Fact]
    public void A_value_that_stands_there_is_changed_in_place_and_comments_stay() => Assert.Equal(
        "# ours\nname = \"elm\" # the town\n\n[townhall]\nrest_port = 8080\n\n[redis]\nhost = \"a\"\n",
        TownFileEditor.Set(Before, "name", "elm"));

    [Fact]
    public void A_new_key_goes_behind_the_last_one_of_its_table() => Assert.Equal(
        "# ours\nname = \"oak\" # the town\n\n[townhall]\nrest_port = 8080\nrequest_timeout_ms = 900\n\n[redis]\nhost = \"a\"\n",
        TownFileEditor.Set(Before, "townhall.request_timeout_ms", "900"));

    [Fact]
    public void A_new_table_goes_to_the_end() => Assert.Equal(
        Before + "\n[townhall.auth]\napi_key_scopes = [\"town.read\", \"town.write\"]\n",
        TownFileEditor.Set(Before, "townhall.auth.api_key_scopes", "town.read, town.write"));

    [Fact]
    public void A_key_of_the_top_stays_above_the_tables() => Assert.Equal(
        "# ours\nname = \"oak\" # the town\nmax_agents = 4\n\n[townhall]\nrest_port = 8080\n\n[redis]\nhost = \"a\"\n",
        TownFileEditor.Set(Before, "max_agents", "4"));

    [Fact]
    public void A_table_with_a_comment_behind_it_is_the_same_table() => Assert.Equal(
        "[townhall] # ours\nbind = \"::1\"\n", TownFileEditor.Set("[townhall] # ours\n", "townhall.bind", "::1"));

    [Theory]
    [InlineData("townhall = { rest_port = 1 }\n", "townhall.bind")]
    [InlineData("", "agent_clis.my tool.command")]
    public void What_would_break_the_file_is_refused(string text, string key) =>
        Assert.Throws<FormatException>(() => TownFileEditor.Set(text, key, "x"));

    [Fact]
    public void An_empty_file_becomes_one_with_the_key() =>
        Assert.Equal("[agent]\nidle_timeout_secs = 5\n", TownFileEditor.Set("", "agent.idle_timeout_secs", "5"));

    [Theory]
    [InlineData("a \"quoted\" \\ one")]
    [InlineData("line\nbreak")]
    [InlineData("snowman ☃")]
    public void Any_text_is_read_back_as_it_was_set(string value) => Assert.Equal(
        value, TownFile.Parse(TownFileEditor.Set("", "default_cli", value), "t.toml").Settings()["TOWN_DEFAULT_CLI"]);

    [Theory]
    [InlineData("nothing.like.it", "1")]
    [InlineData("max_agents", "many")]
    [InlineData("use_streams", "perhaps")]
    public void What_makes_no_sense_is_refused(string key, string value) =>
        Assert.Throws<FormatException>(() => TownFileEditor.Set(Before, key, value));

    [Fact]
    public void A_file_with_mistakes_is_left_alone() =>
        Assert.Throws<FormatException>(() => TownFileEditor.Set("name = = 1\n", "max_agents", "3"));
}
