using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Townhall.Cli.Tests.Harness;
using Townhall.Testing;

namespace Townhall.Cli.Tests.Events;

public sealed class EventTests
{
    [Fact]
    public async Task A_follow_shows_each_event_on_one_line_and_ends_with_130()
    {
        await using var town = await FakeTown.StartAsync(static app => app.MapGet("/events", static async (HttpContext context) =>
        {
            context.Response.ContentType = "text/event-stream";
            await context.Response.WriteAsync(Stream(1) + Stream(2));
            await context.Response.Body.FlushAsync();
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted);
        }));
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Deadline.Usual());
        var terminal = new TestTerminal();
        var follows = terminal.RunAsync(stop.Token, "events", "-f", "--json", "--url", town.Address);
        await Eventually.Holds(() => terminal.Out.Count(static letter => letter == '\n') == 2, Deadline.Usual());
        await stop.CancelAsync();
        Assert.Equal(130, await follows);
        Assert.Equal([1L, 2], Sequences(terminal.Out));
    }

    [Fact]
    public async Task A_follow_ends_quietly_when_its_reader_goes()
    {
        await using var town = await FakeTown.StartAsync(static app => app.MapGet("/events", static async (HttpContext context) =>
        {
            context.Response.ContentType = "text/event-stream";
            await context.Response.WriteAsync(Stream(1));
            await context.Response.Body.FlushAsync();
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted);
        }));
        using var gone = new CancellationTokenSource();
        var terminal = new TestTerminal { ReaderLeft = gone.Token };
        var follows = terminal.RunAsync(town, "events", "-f", "--json");
        await Eventually.Holds(() => terminal.Out.Contains('\n', StringComparison.Ordinal), Deadline.Usual());
        await gone.CancelAsync();
        Assert.Equal(0, await follows);
        Assert.Empty(terminal.Error);
    }

    [Fact]
    public async Task The_last_events_are_shown_oldest_first()
    {
        await using var town = await LedgerAsync(2345);
        var terminal = new TestTerminal();
        Assert.Equal(0, await terminal.RunAsync(town, "events", "--json"));
        Assert.Equal(Enumerable.Range(2326, 20).Select(static seq => (long)seq), Sequences(terminal.Out));
    }

    [Fact]
    public async Task After_a_position_it_ends_where_the_chain_stood_when_it_was_asked()
    {
        await using var town = await LedgerAsync(3, grows: true);
        var terminal = new TestTerminal();
        Assert.Equal(0, await terminal.RunAsync(town, "events", "--after", "1", "--json"));
        Assert.Equal([2L, 3], Sequences(terminal.Out));
    }

    [Fact]
    public async Task Filters_find_what_is_further_back()
    {
        await using var town = await LedgerAsync(2345);
        var terminal = new TestTerminal();
        Assert.Equal(0, await terminal.RunAsync(town, "events", "--json", "-c", "2", "--action", "agent_spawned"));
        Assert.Equal([1001L, 2001], Sequences(terminal.Out));
    }

    [Theory]
    [InlineData("TaskFaild", "No action TaskFaild is known. Did you mean TaskFailed?\nNo event was found.\n")]
    [InlineData("task_failed", "No event was found.\n")]
    public async Task An_answer_without_events_says_so_and_what_was_probably_meant(string action, string words)
    {
        await using var town = await LedgerAsync(3);
        var terminal = new TestTerminal();
        Assert.Equal(0, await terminal.RunAsync(town, "events", "--action", action));
        Assert.Equal(words, terminal.Error);
        Assert.Empty(terminal.Out);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task An_event_is_one_line_also_where_the_window_is_narrow(bool isTerminal)
    {
        await using var town = await LedgerAsync(3);
        var terminal = new TestTerminal { IsTerminal = isTerminal, Size = (30, 10) };
        Assert.Equal(0, await terminal.RunAsync(town, "events"));
        Assert.Equal(3, terminal.Out.TrimEnd().Split('\n').Length);
    }

    [Fact]
    public async Task History_is_one_document()
    {
        await using var town = await LedgerAsync(40);
        var terminal = new TestTerminal();
        Assert.Equal(0, await terminal.RunAsync(town, "history", "--json", "-n", "5"));
        var history = JsonDocument.Parse(terminal.Out).RootElement;
        Assert.Equal((5, true, 36L), (
            history.GetProperty("count").GetInt32(), history.GetProperty("whole").GetBoolean(), history.GetProperty("events")[0].GetProperty("seq").GetInt64()));
    }

    private static IEnumerable<long> Sequences(string lines) =>
        lines.TrimEnd().Split('\n').Select(static line => JsonDocument.Parse(line).RootElement.GetProperty("seq").GetInt64());

    /// <summary>A town whose every thousandth entry, from the first on, is a spawn; one that grows does so at every question.</summary>
    private static Task<FakeTown> LedgerAsync(long head, bool grows = false) => FakeTown.StartAsync(app =>
        app.MapGet("/v1/ledger", (long after, int limit) =>
        {
            var now = grows ? head++ : head;
            var entries = string.Join(',', Enumerable.Range(0, limit).Select(i => after + 1 + i).Where(seq => seq <= now).Select(Entry));
            return FakeTown.Json(string.Create(
                CultureInfo.InvariantCulture, $$"""{"town":"oak","entries":[{{entries}}],"head":{"seq":{{now}},"hash":"00"},"next_after":null}"""));
        }));

    private static string Entry(long seq) => string.Create(CultureInfo.InvariantCulture, $$"""
        {"seq":{{seq}},"id":{{seq}},"at":"2026-01-02T03:04:05.000001Z","actor":"local","action":"{{(seq % 1000 == 1 ? "AgentSpawned" : "TaskAssigned")}}",
         "agent_id":null,"agent_name":"scout","task_id":null,"outcome":"success","detail":"{\"a\":1}","prev_hash":"00","hash":"00"}
        """);

    private static string Stream(long seq) =>
        $$"""
        id: {{seq}}
        data: {"id":"{{seq}}","seq":{{seq}},"agent_id":null,"agent_name":"scout","task_id":null,"actor":"local","action":"TaskAssigned","timestamp":"2026-01-02T03:04:05.000001Z","payload":{},"detail":{},"outcome":"success","prev_hash":"00","hash":"00"}


        """;
}
