using System.Net;
using System.Net.Sockets;
using System.Text;
using Townhall.Testing;

namespace Townhall.Notifier.Tests.Events;

public sealed class FollowTests(PostgresServer postgres, RedisServer redis) : IClassFixture<PostgresServer>, IClassFixture<RedisServer>
{
    private readonly CancellationToken _deadline = Deadline.Of(TimeSpan.FromSeconds(150));

    [Fact]
    public async Task An_entry_is_told_in_the_contract_s_shape()
    {
        await using var database = await postgres.CreateDatabaseAsync(_deadline);
        var log = new TownLog(database, redis.Instance, _deadline);
        await using var notifier = await StartAsync(database);
        var (task, agent) = (Guid.CreateVersion7(), Guid.CreateVersion7());
        await using var events = await EventReader.OpenAsync(notifier, _deadline);

        await log.AppendAsync(task: task, agent: agent, agentName: "ann", detail: "{\"description\":\"two\\nlines\",\n \"n\": 1}");
        var told = await events.NextAsync();

        Assert.Equal((1L, "message"), (told!.Id, told.Name));
        var entry = told.Json;
        Assert.Equal(
            [
                "id", "seq", "agent_id", "agent_name", "task_id", "actor", "action", "timestamp", "payload", "detail", "outcome", "prev_hash", "hash",
            ],
            entry.EnumerateObject().Select(static member => member.Name));
        Assert.Equal(
            (1L, agent, "ann", task, "test", "TaskAssigned", "success", new string('0', 64)),
            (entry.GetProperty("seq").GetInt64(), entry.GetProperty("agent_id").GetGuid(), entry.GetProperty("agent_name").GetString(),
             entry.GetProperty("task_id").GetGuid(), entry.GetProperty("actor").GetString(), entry.GetProperty("action").GetString(),
             entry.GetProperty("outcome").GetString(), entry.GetProperty("prev_hash").GetString()));
        Assert.Equal("two\nlines", entry.GetProperty("detail").GetProperty("description").GetString());
        Assert.Equal(entry.GetProperty("payload").GetRawText(), entry.GetProperty("detail").GetRawText());
        Assert.EndsWith("Z", entry.GetProperty("timestamp").GetString(), StringComparison.Ordinal);
        Assert.Equal(64, entry.GetProperty("hash").GetString()!.Length);
        Assert.InRange(events.RetryMs!.Value, 500, 5000);
    }

    [Fact]
    public async Task Without_a_position_it_begins_at_the_head_and_with_zero_at_the_beginning()
    {
        await using var database = await postgres.CreateDatabaseAsync(_deadline);
        var log = new TownLog(database, redis.Instance, _deadline);
        await log.AppendAsync(3000);
        await using var notifier = await StartAsync(database);
        await using var now = await EventReader.OpenAsync(notifier, _deadline);
        await using var all = await EventReader.OpenAsync(notifier, _deadline, "?after=0");
        await using var some = await EventReader.OpenAsync(notifier, _deadline, "?last_event_id=2990");

        await log.AppendAsync(2);

        Assert.Equal([3001, 3002], await now.TakeAsync(2));
        Assert.Equal(Enumerable.Range(1, 3002).Select(static seq => (long)seq), await all.TakeAsync(3002));
        Assert.Equal(Enumerable.Range(2991, 12).Select(static seq => (long)seq), await some.TakeAsync(12));
    }

    [Fact]
    public async Task A_listener_that_comes_back_to_another_notifier_misses_nothing_and_hears_nothing_twice()
    {
        await using var database = await postgres.CreateDatabaseAsync(_deadline);
        var log = new TownLog(database, redis.Instance, _deadline);
        var heard = new List<long>();
        var position = (long?)0;
        for (var life = 0; life < 3; life++)
        {
            await using var notifier = await StartAsync(database);
            await using var events = await EventReader.OpenAsync(notifier, _deadline, lastEventId: position);
            await log.AppendAsync(50);
            heard.AddRange(await events.TakeAsync(30));
            await notifier.Process.KillAsync(_deadline);

            // What was on its way when it died may still be read.
            while (await events.NextAsync() is { } last)
            {
                heard.Add(last.Id!.Value);
            }

            position = heard[^1];
            await log.AppendAsync(20);
        }

        await using var final = await StartAsync(database);
        await using var rest = await EventReader.OpenAsync(final, _deadline, lastEventId: position);
        heard.AddRange(await rest.TakeAsync((int)(210 - position!.Value)));
        Assert.Equal(Enumerable.Range(1, 210).Select(static seq => (long)seq), heard);
    }

    [Fact]
    public async Task A_listener_that_lost_its_connection_before_the_first_event_knows_where_it_was()
    {
        await using var database = await postgres.CreateDatabaseAsync(_deadline);
        var log = new TownLog(database, redis.Instance, _deadline);
        await log.AppendAsync(7);
        await using var notifier = await StartAsync(database);
        long? position;
        await using (var events = await EventReader.OpenAsync(notifier, _deadline))
        {
            await notifier.Process.StopAsync(_deadline);
            Assert.Equal("reconnect", (await events.NextAsync())!.Name);
            Assert.Null(await events.NextAsync());
            position = events.LastEventId;
        }

        Assert.Equal(7, position);
    }

    [Fact]
    public async Task Filters_let_through_what_was_asked_for_in_either_spelling()
    {
        await using var database = await postgres.CreateDatabaseAsync(_deadline);
        var log = new TownLog(database, redis.Instance, _deadline);
        var (task, agent) = (Guid.CreateVersion7(), Guid.CreateVersion7());
        await log.AppendAsync(1200);
        await log.AppendAsync(action: "TaskCompleted", task: task, agent: agent, agentName: "Ann");
        await using var notifier = await StartAsync(database);
        foreach (var query in (string[])[$"task={task}", $"agent={agent}", "agent=ann", "action=TaskCompleted", "action=task_completed,task_failed"])
        {
            // Behind the ring, from the ledger; then live, from the ring.
            await using var events = await EventReader.OpenAsync(notifier, _deadline, $"?after=0&{query}");
            var past = Assert.Single(await events.TakeAsync(1));
            await log.AppendAsync(2);
            var head = await log.AppendAsync(action: "TaskCompleted", task: task, agent: agent, agentName: "Ann");
            while (past < head)
            {
                var next = Assert.Single(await events.TakeAsync(1));
                Assert.Equal(0, (next - 1201) % 3);
                past = next;
            }
        }
    }

    [Theory]
    [InlineData("?after=-1", "bad_event_id")]
    [InlineData("?after=abc", "bad_event_id")]
    [InlineData("?after=99999999999999999999", "bad_event_id")]
    [InlineData("?task=abc", "bad_filter")]
    [InlineData("?action=,", "bad_filter")]
    public async Task A_request_that_makes_no_sense_is_refused(string query, string code)
    {
        await using var database = await postgres.CreateDatabaseAsync(_deadline);
        await using var notifier = await StartAsync(database);

        using var answer = await notifier.Client.GetAsync(new Uri("/events" + query, UriKind.Relative), _deadline);

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Contains(code, await answer.Content.ReadAsStringAsync(_deadline), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_no_longer_online_is_one_gap_event()
    {
        await using var database = await postgres.CreateDatabaseAsync(_deadline);
        var log = new TownLog(database, redis.Instance, _deadline);
        await log.AppendAsync(100);
        await database.ExecuteAsync("DELETE FROM ledger WHERE seq <= 60", _deadline);
        await using var notifier = await StartAsync(database);
        foreach (var query in (string[])["?after=5", "?after=5&action=task_assigned"])
        {
            await using var events = await EventReader.OpenAsync(notifier, _deadline, query);
            var gap = await events.NextAsync();

            Assert.Equal(("gap", 60L), (gap!.Name, gap.Id));
            Assert.Equal((5, 61), (gap.Json.GetProperty("after").GetInt32(), gap.Json.GetProperty("resumes_at").GetInt32()));
            Assert.Equal(Enumerable.Range(61, 40).Select(static seq => (long)seq), await events.TakeAsync(40));
        }
    }

    [Fact]
    public async Task A_position_that_the_ledger_has_not_reached_is_a_gap_too()
    {
        await using var database = await postgres.CreateDatabaseAsync(_deadline);
        var log = new TownLog(database, redis.Instance, _deadline);
        await log.AppendAsync(3);
        await using var notifier = await StartAsync(database);
        await using var events = await EventReader.OpenAsync(notifier, _deadline, "?after=900");

        Assert.Equal("ahead", (await events.NextAsync())!.Json.GetProperty("reason").GetString());
        await log.AppendAsync();
        Assert.Equal(4, (await events.NextAsync())!.Id);
    }

    [Fact]
    public async Task An_outage_of_the_database_delays_the_stream_and_nothing_more()
    {
        await using var own = await PostgresServer.StartOwnAsync(_deadline);
        await using var database = await PostgresServer.CopyAsync(own, _deadline);
        var log = new TownLog(database, redis.Instance, _deadline);
        await using var notifier = await StartAsync(database);
        await using var events = await EventReader.OpenAsync(notifier, _deadline);
        await log.AppendAsync();
        Assert.Equal([1], await events.TakeAsync(1));

        await own.StopAsync(_deadline);
        await using var late = await EventReader.OpenAsync(notifier, _deadline);
        await own.StartAgainAsync(_deadline);
        database.App.Clear();
        database.Sequencer.Clear();
        await log.AppendAsync(3);

        Assert.Equal([2, 3, 4], await events.TakeAsync(3));

        // It began while nobody knew the head; from when it does, it hears everything.
        var told = late.NextAsync();
        await Eventually.Is(
            async () =>
            {
                await log.AppendAsync();
                return told.IsCompletedSuccessfully;
            },
            static heard => heard,
            _deadline);
    }

    [Fact]
    public async Task A_listener_that_stops_reading_is_disconnected_and_the_others_hear_everything()
    {
        await using var database = await postgres.CreateDatabaseAsync(_deadline);
        var log = new TownLog(database, redis.Instance, _deadline);
        await using var notifier = await StartAsync(database);
        await using var good = await EventReader.OpenAsync(notifier, _deadline);
        using var stuck = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 4096 };
        await stuck.ConnectAsync(IPAddress.Loopback, notifier.Port, _deadline);
        await stuck.SendAsync(Encoding.ASCII.GetBytes($"GET /events HTTP/1.1\r\nHost: 127.0.0.1:{notifier.Port}\r\n\r\n"), _deadline);
        await stuck.ReceiveAsync(new byte[64], _deadline);

        // More than all buffers between the two can hold.
        const int Entries = 4000;
        var filler = $"{{\"text\":\"{new string('x', 1000)}\"}}";
        await log.AppendAsync(Entries, detail: filler);

        Assert.Equal(Enumerable.Range(1, Entries).Select(static seq => (long)seq), await good.TakeAsync(Entries));
        await Eventually.Holds(() => notifier.Process.Log.Contains("is disconnected", StringComparison.Ordinal), Deadline.Of(TimeSpan.FromSeconds(90)));
        await log.AppendAsync();
        Assert.Equal([Entries + 1], await good.TakeAsync(1));
    }

    [Fact]
    public async Task A_quiet_stream_is_kept_alive()
    {
        await using var database = await postgres.CreateDatabaseAsync(_deadline);
        var log = new TownLog(database, redis.Instance, _deadline);
        await using var notifier = await StartAsync(database);
        await using var events = await EventReader.OpenAsync(notifier, _deadline, "?action=task_failed");
        await log.AppendAsync(5);
        var next = events.NextAsync();

        // What was filtered away moves the position with the keep-alive.
        await Eventually.Is(() => events.LastEventId, static position => position == 5, Deadline.Of(TimeSpan.FromSeconds(20)));
        await log.AppendAsync(action: "TaskFailed");
        Assert.Equal(6, (await next)!.Id);
    }

    private Task<ServiceProcess> StartAsync(TestDatabase database) =>
        ServiceProcess.StartAsync("services/notifier", database.Settings(redis.Instance), _deadline);
}
