using Townhall.Cli.Fleets;
using Townhall.Cli.Tests.Harness;

namespace Townhall.Cli.Tests.Fleets;

public sealed class FleetFileTests
{
    [Fact]
    public void Every_mistake_is_said_at_once()
    {
        using var folder = new TemporaryFolder();
        folder.Write("empty.sh", " \n");
        var (plan, mistakes) = FleetFile.Read(folder.Write("fleet.json", """
            {
              "name": "has spaces",
              "colour": "red",
              "agents": [
                { "name": "scout", "cli": "sh", "max_concurrency": 0 },
                { "name": "scout", "cli": "sh" },
                { "name": "-dash", "cli": "" },
                { "cli": "sh", "grant": { "network": "some", "read": ["relative"], "wirte": [] } },
                "text"
              ],
              "tasks": [
                { "agent": "nobody", "title": "t", "task": "x" },
                { "agent": "scout", "task": "x" },
                { "agent": "scout", "title": "t" },
                { "agent": "scout", "title": "t", "task": "x", "script": "empty.sh" },
                { "agent": "scout", "title": "t", "script": "../outside.sh" },
                { "agent": "scout", "title": "t", "script": "missing.sh" },
                { "agent": "scout", "title": "t", "script": "empty.sh" }
              ]
            }
            """), "/srv/code");
        Assert.Null(plan);
        string[] expected =
        [
            "colour is unknown here; known are name, agents, tasks.",
            "name must be 1 to 50 letters",
            "agents[4] must be an object.",
            "agents[0].max_concurrency must be a whole number from 1 to 1024.",
            "agents[1].name is taken",
            "agents[2].cli must be a text that is not empty.",
            "agents[2].name must be 1 to 50 letters",
            "agents[3].name is missing.",
            "agents[3].grant.wirte is unknown here",
            "agents[3].grant.network must be host or none.",
            "agents[3].grant.read must hold absolute paths",
            "tasks[0].agent names no agent of this file: nobody.",
            "tasks[1].title is missing.",
            "tasks[2].task is missing",
            "tasks[3].script stands beside task",
            "tasks[4].script must lie beside the fleet file",
            "tasks[5].script cannot be read: missing.sh.",
            "tasks[6].script is empty.",
        ];
        Assert.All(expected, words => Assert.Contains(mistakes, mistake => mistake.StartsWith(words, StringComparison.Ordinal)));
        Assert.Equal(expected.Length, mistakes.Count);
    }

    [Theory]
    [InlineData("", "It is not JSON")]
    [InlineData("{", "It is not JSON")]
    [InlineData("[]", "The file must be an object.")]
    [InlineData("""{"name":"a","name":"b"}""", "It is not JSON")]
    [InlineData("""{"name":"a","agents":[],"tasks":{}}""", "agents is empty.")]
    public void What_is_no_fleet_file_is_told_as_such(string text, string words)
    {
        using var folder = new TemporaryFolder();
        var (plan, mistakes) = FleetFile.Read(folder.Write("fleet.json", text), "/srv/code");
        Assert.Null(plan);
        Assert.Contains(mistakes, mistake => mistake.StartsWith(words, StringComparison.Ordinal));
    }

    [Fact]
    public void A_missing_file_is_a_mistake_like_any_other() =>
        Assert.Equal(["There is no such file."], FleetFile.Read("/nonexistent/fleet.json", "/srv/code").Mistakes);

    [Fact]
    public void The_repository_is_a_word_in_scripts_and_plain_text_elsewhere()
    {
        using var folder = new TemporaryFolder();
        folder.Write("scripts/a.sh", "cd {repo} && awk '{ print $1 }'\n");
        var path = folder.Write("fleet.json", """
            {
              "name": "f",
              "agents": [{ "name": "scout", "cli": "sh", "grant": { "read": ["{repo}"], "workdir": "{repo}" } }, { "name": "free", "cli": "sh" }],
              "tasks": [
                { "agent": "scout", "title": "a", "script": "scripts/a.sh" },
                { "agent": "free", "title": "b", "task": "Look at {repo}." }
              ]
            }
            """);
        var plan = FleetFile.Read(path, "/srv/it's here").Plan!;
        Assert.Equal("cd '/srv/it'\\''s here' && awk '{ print $1 }'\n", plan.Tasks[0].Text);
        Assert.Equal("Look at /srv/it's here.", plan.Tasks[1].Text);
        Assert.Equal(["/srv/it's here"], plan.Agents[0].Grant!.Read!);

        // A grant is for good, so another repository needs another agent; one without the repository is the same everywhere.
        var other = FleetFile.Read(path, "/srv/other").Plan!;
        Assert.NotEqual(plan.Agents[0].TownName, other.Agents[0].TownName);
        Assert.Equal(("free", "free"), (plan.Agents[1].TownName, other.Agents[1].TownName));
    }
}
