using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Townhall.Cli.Tests.Harness;
using Townhall.Cli.Watching;
using Townhall.Client;
using Townhall.Testing;

namespace Townhall.Cli.Tests.Watching;

public sealed class TopTests
{
    [Fact]
    public async Task On_a_terminal_it_takes_the_screen_and_gives_it_back_when_q_is_pressed()
    {
        await using var town = await TownAsync();
        var terminal = new TestTerminal { IsTerminal = true };
        terminal.Keys.Enqueue('x');
        terminal.Keys.Enqueue('q');
        Assert.Equal(0, await terminal.RunAsync(town, "top"));
        Assert.StartsWith("\u001b[?1049h\u001b[?25l", terminal.Out, StringComparison.Ordinal);
        Assert.EndsWith("\u001b[?25h\u001b[?1049l", terminal.Out, StringComparison.Ordinal);
        Assert.Contains("scout", terminal.Out, StringComparison.Ordinal);
        Assert.All(town.Asked, static asked => Assert.StartsWith("GET ", asked, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Left_with_ctrl_c_it_gives_the_screen_back_and_ends_with_130()
    {
        await using var town = await TownAsync();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Deadline.Usual());
        var terminal = new TestTerminal { IsTerminal = true };
        var watches = terminal.RunAsync(stop.Token, "top", "--url", town.Address);
        await Eventually.Holds(() => terminal.Out.Contains("scout", StringComparison.Ordinal), Deadline.Usual());
        await stop.CancelAsync();
        Assert.Equal(130, await watches);
        Assert.EndsWith("\u001b[?25h\u001b[?1049l", terminal.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_frame_never_has_more_lines_than_the_terminal()
    {
        await using var town = await TownAsync(agents: 60);
        var terminal = new TestTerminal { IsTerminal = true, Size = (80, 20) };
        terminal.Keys.Enqueue('q');
        Assert.Equal(0, await terminal.RunAsync(town, "top"));
        Assert.InRange(terminal.Out.Count(static letter => letter == '\n'), 12, 19);
        Assert.Contains("more", terminal.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task In_a_pipe_it_is_one_look()
    {
        await using var town = await TownAsync();
        var (pipe, program) = (new TestTerminal(), new TestTerminal());
        Assert.Equal(0, await pipe.RunAsync(town, "top"));
        Assert.DoesNotContain("\u001b", pipe.Out, StringComparison.Ordinal);
        Assert.Contains("oak", pipe.Out, StringComparison.Ordinal);
        Assert.Equal(0, await program.RunAsync(town, "top", "--json"));
        Assert.Equal(7, JsonDocument.Parse(program.Out).RootElement.GetProperty("tasks").GetProperty("running").GetInt32());
    }

    [Fact]
    public void Throughput_counts_what_ended_in_the_last_minute()
    {
        var clock = new TestClock();
        var throughput = new Throughput(clock);
        Assert.Null(throughput.Look(Counts(100)));
        clock.Advance(TimeSpan.FromSeconds(30));
        Assert.Equal(40, throughput.Look(Counts(120)));
        clock.Advance(TimeSpan.FromSeconds(60));
        Assert.Equal(10, throughput.Look(Counts(130)));
        static TaskCounts Counts(long completed) => new(0, 0, 0, 0, completed, 0, 0, 0);
    }

    private static Task<FakeTown> TownAsync(int agents = 1) => FakeTown.StartAsync(app =>
    {
        app.MapGet("/v1/status", () => FakeTown.Json($$$"""
            {"name":"oak","root":"/srv","redis_url":"","agent_count":{{{agents}}},"workers":1,
             "agents":[{{{string.Join(',', Enumerable.Range(1, agents).Select(static i => Documents.Agent(i == 1 ? "scout" : $"scout-{i}", "sh")))}}}],
             "tasks":{"pending":0,"assigned":1,"running":7,"waiting":0,"completed":3,"failed":0,"cancelled":0,"dead":0}}
            """));
        app.MapGet("/api/scaling", static () => FakeTown.Json(Documents.Scaling()));
    });
}
