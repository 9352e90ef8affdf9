using Townhall.Worker.Settings;
using Townhall.Worker.Tests.Harness;

namespace Townhall.Worker.Tests.Settings;

public sealed class WorkerSettingsTests
{
    [Fact]
    public void Defaults_stand_where_nothing_is_said()
    {
        var (settings, mistakes) = Read(("services__dispatcher__http__0", "http://127.0.0.1:1"), ("TOWN_WORKER_KEY_FD", "0"), ("PATH", "/usr/bin:relative:/bin"));
        Assert.Empty(mistakes);
        Assert.Equal((8, true, TimeSpan.FromSeconds(8), "nobody"), (settings!.Slots, settings.ExitWhenIdle, settings.Drain, settings.CommandUser));
        Assert.Equal(["command", "noop"], settings.Runtimes);
        Assert.Equal(["/usr/bin", "/bin"], settings.CommandPath);
    }

    [Fact]
    public void Every_mistake_is_said_at_once()
    {
        var (settings, mistakes) = Read(
            ("TOWN_DISPATCHER_URL", "ftp://x"), ("TOWN_WORKER_SLOTS", "0"), ("TOWN_WORKER_RUNTIMES", "command,magic"), ("TOWN_EXIT_WHEN_IDLE", "maybe"),
            ("TOWN_DATA", "relative"), ("TOWN_DRAIN_SECS", "-1"), ("TOWN_LIFETIME_PIPE", "/no/such/pipe"), ("TOWN_SANDBOX", "docker"));
        Assert.Null(settings);
        foreach (var name in (string[])["DISPATCHER_URL", "KEY_FD", "SLOTS", "RUNTIMES", "EXIT_WHEN_IDLE", "DATA", "DRAIN", "LIFETIME_PIPE", "SANDBOX"])
        {
            Assert.Single(mistakes, mistake => mistake.Contains($"TOWN_{name}", StringComparison.Ordinal) || mistake.Contains($"TOWN_WORKER_{name}", StringComparison.Ordinal));
        }
    }

    [Fact]
    public void Variables_for_presets_are_those_that_are_named_and_set()
    {
        var (settings, _) = Read(
            ("TOWN_DISPATCHER_URL", "http://x"), ("TOWN_WORKER_KEY_FD", "0"), ("TOWN_COMMAND_ENV", "A_KEY, B_KEY"), ("A_KEY", "a"), ("C_KEY", "c"));
        Assert.Equal([KeyValuePair.Create("A_KEY", "a")], settings!.CommandEnvironment);
    }

    [Fact]
    public void Presets_of_the_town_are_a_line_each_and_a_line_that_is_none_is_a_mistake()
    {
        var (settings, _) = Read(
            ("TOWN_DISPATCHER_URL", "http://x"), ("TOWN_WORKER_KEY_FD", "0"), ("TOWN_AGENT_CLIS", "mine=sh -c 'A=1 cat'\nclaude = other --flag=x\n"));
        Assert.Equal(("sh -c 'A=1 cat'", "other --flag=x"), (settings!.AgentClis["mine"], settings.AgentClis["claude"]));

        var (none, mistakes) = Read(("TOWN_DISPATCHER_URL", "http://x"), ("TOWN_WORKER_KEY_FD", "0"), ("TOWN_AGENT_CLIS", "mine"));
        Assert.Null(none);
        Assert.Contains("TOWN_AGENT_CLIS", Assert.Single(mistakes), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_start_with_mistakes_says_them_and_ends_with_78()
    {
        await using var worker = WorkerUnderTest.Start([("TOWN_WORKER_SLOTS", "many"), ("TOWN_WORKER_KEY_FD", "0")], "key");
        Assert.Equal(78, await worker.ExitCodeAsync());
        Assert.Contains("TOWN_DISPATCHER_URL", worker.Log, StringComparison.Ordinal);
        Assert.Contains("TOWN_WORKER_SLOTS", worker.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_refused_key_ends_the_worker_with_77()
    {
        await using var dispatcher = await FakeDispatcher.StartAsync();
        await using var worker = WorkerUnderTest.Start([("TOWN_DISPATCHER_URL", dispatcher.Url), ("TOWN_WORKER_KEY_FD", "0")], "another key");
        Assert.Equal(77, await worker.ExitCodeAsync());
    }

    private static (WorkerSettings? Settings, IReadOnlyList<string> Mistakes) Read(params (string Name, string Value)[] variables) =>
        WorkerSettings.Read(variables.ToDictionary(static item => item.Name, static item => item.Value));
}
