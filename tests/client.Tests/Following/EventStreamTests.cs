using System.Text;
using Microsoft.AspNetCore.Http;
using Townhall.Client.Following;
using Townhall.Client.Tests.Harness;
using Townhall.Testing;

namespace Townhall.Client.Tests.Following;

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
    public async Task Events_come_once_and_in_order_over_lost_connections_and_filters_stay()
    {
        var positions = new List<string?>();
        await using var town = await StubTown.StartAsync(async (context, call) =>
        {
            positions.Add(context.Request.Headers["Last-Event-ID"].ToString() is { Length: > 0 } last ? last : null);
            context.Response.ContentType = "text/event-stream";
            switch (call)
            {
                case 1:
                    // Two events, and a third whose end never comes.
                    await context.Response.WriteAsync($"retry: 10\nid: 0\n\n{Event(1)}{Event(2)}id: 3\ndata: {{\"seq\":");
                    break;
                case 2:
                    await StubTown.RefuseAsync(context, 503, "stopping", "0");
                    break;
                case 3:
                    await context.Response.WriteAsync($"{Event(3)}event: gap\ndata: {{\"reason\":\"archived\"}}\nid: 8\n\n{Event(9)}");
                    await context.Response.Body.FlushAsync();
                    await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted);
                    break;
            }
        });
        using var client = town.Client();
        var notices = new List<string>();
        var seen = new List<string>();
        await foreach (var item in client.FollowEventsAsync(new EventQuery { Agent = "ann b", Actions = ["TaskFailed", "task_completed"] }, notices.Add, Deadline.Usual()))
        {
            if (item.Event is { } happened)
            {
                seen.Add($"{happened.Seq} {happened.Action}");
            }
            else if (item.Gap is { } gap)
            {
                seen.Add(gap);
            }

            if (item.Position == 9)
            {
                break;
            }
        }

        Assert.Equal(["1 TaskAssigned", "2 TaskAssigned", "3 TaskAssigned", "{\"reason\":\"archived\"}", "9 TaskAssigned"], seen);
        Assert.Equal([null, "2", "2"], positions);
        Assert.Equal(2, notices.Count);
        Assert.All(town.Asked, static asked => Assert.Equal("GET /events?agent=ann%20b&action=TaskFailed%2Ctask_completed", asked.Line));
    }

    [Fact]
    public async Task A_town_that_refuses_a_follow_is_not_asked_for_ever()
    {
        await using var town = await StubTown.StartAsync(static (context, _) => StubTown.RefuseAsync(context, 400, "bad_filter"));
        using var client = town.Client();
        var refusal = await Assert.ThrowsAsync<TownProblemException>(async () =>
        {
            await foreach (var item in client.FollowEventsAsync(new EventQuery(), Deadline.Usual()))
            {
                Assert.Fail($"{item}");
            }
        });
        Assert.Equal("bad_filter", refusal.Code);
        Assert.Single(town.Asked);
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
