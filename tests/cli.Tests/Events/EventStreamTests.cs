using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Townhall.Cli.Events;
using Townhall.Cli.Tests.Harness;
using Townhall.Testing;

namespace Townhall.Cli.Tests.Events;

public sealed class EventStreamTests
{
    [Fact]
    public async Task Blocks_are_read_as_the_specification_says()
    {
        var blocks = await ReadAsync(
            "retry: 1500\nid: 4\n\n: still here\n\nid: 5\ndata: one\ndata:two\n\nevent: gap\r\ndata: x\r\n\r\nid\ndata\n\n");
        Assert.Equal(
            [
                new ServerEvent("4", "message", null, TimeSpan.FromMilliseconds(1500)),
                new ServerEvent("5", "message", "one\ntwo", null),
                new ServerEvent(null, "gap", "x", null),
                new ServerEvent("", "message", "", null),
            ],
            blocks);
    }

    [Fact]
    public async Task A_block_that_was_cut_off_does_not_count()
    {
        // Its id is known already, but its end never came: it must come again, so the position may not move.
        Assert.Empty(await ReadAsync("id: 7\ndata: half of it\n"));
    }

    [Fact]
    public async Task After_a_lost_connection_it_goes_on_behind_the_last_event()
    {
        var positions = new List<string?>();
        var terminal = new TestTerminal();
        await using var town = await FakeTown.StartAsync(app => app.MapGet("/events", async (HttpContext context) =>
        {
            var last = context.Request.Headers["Last-Event-ID"].ToString();
            positions.Add(last.Length == 0 ? null : last);
            context.Response.ContentType = "text/event-stream";
            switch (positions.Count)
            {
                case 1:
                    // Two events, and a third whose end never comes.
                    await context.Response.WriteAsync($"retry: 10\nid: 0\n\n{Event(1)}{Event(2)}id: 3\ndata: {{\"seq\":");
                    await context.Response.Body.FlushAsync();
                    await Eventually.Holds(() => terminal.Out.Count(static letter => letter == '\n') == 2, Deadline.Usual());
                    context.Abort();
                    break;
                case 2:
                    context.Response.StatusCode = 503;
                    break;
                default:
                    await context.Response.WriteAsync(Event(3) + Event(4));
                    await context.Response.Body.FlushAsync();
                    await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted);
                    break;
            }
        }));
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Deadline.Usual());
        var follows = terminal.RunAsync(stop.Token, "events", "-f", "--json", "--town-url", town.Address);
        await Eventually.Holds(() => terminal.Out.Count(static letter => letter == '\n') == 4, Deadline.Usual());
        await stop.CancelAsync();

        Assert.Equal(130, await follows);
        Assert.Equal([1L, 2, 3, 4], terminal.Out.TrimEnd().Split('\n').Select(static line => JsonDocument.Parse(line).RootElement.GetProperty("seq").GetInt64()));
        Assert.Equal([null, "2", "2"], positions);
        Assert.Contains("trying again", terminal.Error, StringComparison.Ordinal);
        Assert.Contains("nothing was missed", terminal.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_following_it_ends_where_the_chain_stood_when_it_was_asked()
    {
        await using var town = await FakeTown.StartAsync(static app =>
        {
            app.MapGet("/v1/ledger", static () => FakeTown.Json($$"""{"town":"oak","entries":[],"head":{"seq":3,"hash":"00"},"next_after":null}"""));
            app.MapGet("/events", static async context =>
            {
                var after = long.Parse(context.Request.Headers["Last-Event-ID"].ToString(), CultureInfo.InvariantCulture);
                for (var seq = after + 1; seq <= 5; seq++)
                {
                    await context.Response.WriteAsync(Event(seq));
                }

                await context.Response.Body.FlushAsync();
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted);
            });
        });
        var terminal = new TestTerminal();
        Assert.Equal(0, await terminal.RunAsync(town, "events", "--after", "1"));
        var lines = terminal.Out.TrimEnd().Split('\n');
        Assert.Equal(2, lines.Length);
        Assert.Contains("TaskAssigned", lines[0], StringComparison.Ordinal);
    }

    private static string Event(long seq) =>
        $$"""
        id: {{seq}}
        data: {"id":"{{seq}}","seq":{{seq}},"agent_id":null,"agent_name":"scout","task_id":null,"actor":"local","action":"TaskAssigned","timestamp":"2026-01-02T03:04:05.000001Z","payload":{},"detail":{},"outcome":"success","prev_hash":"00","hash":"00"}


        """;

    private static async Task<List<ServerEvent>> ReadAsync(string text)
    {
        var blocks = new List<ServerEvent>();
        await foreach (var block in ServerEvents.ReadAsync(new Drops(Encoding.UTF8.GetBytes(text)), static () => { }, Deadline.Usual()))
        {
            blocks.Add(block);
        }

        return blocks;
    }

    /// <summary>Gives its bytes three at a time, as a slow network does.</summary>
    private sealed class Drops(byte[] bytes) : MemoryStream(bytes)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            base.ReadAsync(buffer.Length > 3 ? buffer[..3] : buffer, cancellationToken);
    }
}
