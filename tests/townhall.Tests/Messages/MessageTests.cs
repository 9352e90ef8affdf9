using Townhall.Api.Messages;
using Townhall.Testing;

namespace Townhall.Api.Tests.Messages;

/// <summary>Messages over HTTP: who says what to whom, in which order it is read, and how much an inbox holds.</summary>
public sealed class MessageTests(PostgresServer postgres, RedisServer redis) : IClassFixture<PostgresServer>, IClassFixture<RedisServer>
{
    private const string Send = "/v1/messages/send";
    private static readonly Guid s_supervisor = Guid.Parse("00000000-0000-0000-0000-000000000001");

    [Theory]
    [InlineData("received your note", "received", null)]
    [InlineData("APPROVED, go on", "approved", null)]
    [InlineData("ok, thank you!", "thanks", null)]
    [InlineData("many Thanks", "thanks", null)]
    [InlineData("Rejected: too risky ", "rejected", "too risky")]
    [InlineData("rejected:", "rejected", "no reason given")]
    [InlineData("rejected without a colon", "acknowledged", null)]
    [InlineData("ok", "acknowledged", null)]
    public void An_acknowledgement_is_read_from_its_first_words(string text, string type, string? reason) =>
        Assert.Equal(new Acknowledgement(type, reason), Acknowledgement.Of(text));

    [Fact]
    public async Task An_inbox_shows_urgent_messages_first_then_the_others_then_tasks_and_takes_nothing_out()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        var ann = await api.SpawnAsync("ann", deadline);
        var bob = await api.SpawnAsync("bob", deadline);
        var task = await api.AssignAsync("ann", "assigned", deadline);
        await SendAsync(api, """{"to":"ann","message":"one","kind":"info"}""", deadline);
        await SendAsync(api, """{"to":"ANN","message":"two","kind":"query","urgent":true,"from":"bob","correlation_id":"c-1"}""", deadline);
        await SendAsync(api, """{"to":"ann","message":"thanks","kind":"ack","urgent":true}""", deadline);
        var real = await SendAsync(api, """{"to":"ann","message":"please rebase"}""", deadline);
        var all = (await api.GetAsync("/v1/agents/ann/inbox", deadline)).Json;
        var messages = all.GetProperty("messages").EnumerateArray().ToArray();
        Assert.Equal(["two", "thanks", "one", "please rebase", $"task assignment {task}: assigned"], messages.Select(static one => one.GetProperty("summary").GetString()));
        Assert.Equal(["query", "confirmation", "info", "task", "task_assign"], messages.Select(static one => one.GetProperty("type").GetString()));
        Assert.Equal([bob.ToString(), .. Enumerable.Repeat(s_supervisor.ToString(), 4)], messages.Select(static one => one.GetProperty("from").GetString()));
        Assert.Equal(("ann", 3L, 2L, "c-1"), (all.GetProperty("agent").GetString(), all.GetProperty("total").GetInt64(), all.GetProperty("urgent").GetInt64(),
            messages[0].GetProperty("correlation_id").GetString()));

        var read = new List<string>();
        for (string? cursor = null, path = "/v1/agents/ann/inbox?limit=2"; path is not null; path = cursor is null ? null : $"/v1/agents/ann/inbox?limit=2&cursor={cursor}")
        {
            var page = (await api.PostAsync(path, "", deadline)).Json;
            read.AddRange(page.GetProperty("messages").EnumerateArray().Select(static one => one.GetProperty("id").GetString()!));
            cursor = page.GetProperty("next_cursor").GetString();
        }

        Assert.Equal(messages.Select(static one => one.GetProperty("id").GetString()), read);
        Assert.Equal((201, ann), (real.Status, real.Json.GetProperty("to_agent").GetGuid()));
        Assert.Equal((409, "message_is_task"), (await api.SendAsync(HttpMethod.Delete, $"/v1/messages/{real.Json.GetProperty("message_id").GetString()}", null, deadline)) is var mine ? (mine.Status, mine.Code) : default);
        var made = (await api.GetAsync($"/v1/tasks/{real.Json.GetProperty("task_id").GetString()}", deadline)).Json;
        Assert.Equal(("please rebase", "assigned", "ann"), (made.GetProperty("description").GetString(), made.GetProperty("state").GetString(), made.GetProperty("agent_name").GetString()));
        var view = (await api.GetAsync("/v1/agents/ann", deadline)).Json;
        Assert.Equal((3L, 2L), (view.GetProperty("inbox_len").GetInt64(), view.GetProperty("urgent_len").GetInt64()));
        await api.CountersHoldAsync(deadline);
    }

    [Theory]
    [InlineData("""{"to":"ann","message":"x","kind":"shout"}""", 422, "invalid_value")]
    [InlineData("""{"to":"ann","message":""}""", 422, "invalid_value")]
    [InlineData("""{"to":"ann"}""", 422, "invalid_value")]
    [InlineData("""{"message":"x"}""", 422, "invalid_value")]
    [InlineData("""{"to":"nobody","message":"x"}""", 404, "agent_not_found")]
    [InlineData("""{"to":"ann","message":"x","from":"nobody"}""", 404, "agent_not_found")]
    [InlineData("""{"to":"ann","message":"x","from":"11111111-2222-3333-4444-555555555555"}""", 404, "agent_not_found")]
    [InlineData("""{"to":"twin","message":"x"}""", 409, "agent_ambiguous")]
    [InlineData("""{"to":"gone","message":"x"}""", 409, "agent_not_accepting")]
    [InlineData("""{"to":"gone","message":"x","kind":"info"}""", 409, "agent_not_accepting")]
    public async Task A_message_of_an_unknown_kind_or_from_or_to_nobody_is_refused_and_nothing_is_sent(string body, int status, string code)
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        await api.SpawnAsync("ann", deadline);
        await api.SpawnAsync("gone", deadline);
        await api.PostAsync("/v1/agents/gone/kill", "", deadline);
        foreach (var name in (string[])["one", "two"])
        {
            Assert.Equal(201, (await api.PostAsync("/v1/agents", $$"""{"name":"{{name}}","cli":"sh","nickname":"Twin"}""", deadline)).Status);
        }

        var answer = await api.PostAsync(Send, body, deadline);
        Assert.Equal((status, code), (answer.Status, answer.Code));
        Assert.Equal((0, 0), (await api.CountAsync("message", deadline), await api.CountAsync("task", deadline)));
    }

    [Fact]
    public async Task A_full_inbox_refuses_and_says_when_to_try_again()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        var ann = await api.SpawnAsync("ann", deadline);
        foreach (var (to, agent) in ((string, Guid)[])[("ann", ann), ("supervisor", s_supervisor)])
        {
            await api.Database.ExecuteAsync($"""
                INSERT INTO message (id, town, to_agent, kind, urgent, from_name, body, created_by)
                SELECT gen_random_uuid(), '{api.Database.Town}', '{agent}', 'info', false, 'x', 'x', 'x' FROM generate_series(1, 999)
                """, deadline);
            await SendAsync(api, $$"""{"to":"{{to}}","message":"the last one","kind":"info"}""", deadline);
            foreach (var kind in (string[])["info", "task"])
            {
                var full = await api.PostAsync(Send, $$"""{"to":"{{to}}","message":"one more","kind":"{{kind}}"}""", deadline);
                Assert.Equal((429, "inbox_full", "30"), (full.Status, full.Code, full.RetryAfter));
            }
        }

        Assert.Equal((2000, 0), (await api.CountAsync("message", deadline), await api.CountAsync("task", deadline)));
    }

    [Fact]
    public async Task The_supervisors_mailbox_is_read_and_emptied_by_people()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        await api.SpawnAsync("ann", deadline);
        var sent = await SendAsync(api, """{"to":"conductor","from":"ann","message":"I am done"}""", deadline);
        Assert.Equal(s_supervisor, sent.Json.GetProperty("to_agent").GetGuid());
        Assert.Equal(0, await api.CountAsync("task", deadline));
        foreach (var reference in (string[])["supervisor", "Conductor", s_supervisor.ToString()])
        {
            var inbox = (await api.GetAsync($"/v1/agents/{reference}/inbox", deadline)).Json;
            Assert.Equal(("I am done", "ann"), (inbox.GetProperty("messages")[0].GetProperty("summary").GetString(), inbox.GetProperty("messages")[0].GetProperty("from_name").GetString()));
        }

        var id = sent.Json.GetProperty("message_id").GetString();
        Assert.Equal("I am done", (await api.GetAsync($"/v1/messages/{id}", deadline)).Json.GetProperty("message").GetString());
        Assert.Equal(1L, (await api.GetAsync("/v1/agents/supervisor", deadline)).Json.GetProperty("inbox_len").GetInt64());
        Assert.Equal(200, (await api.SendAsync(HttpMethod.Delete, $"/v1/messages/{id}", null, deadline)).Status);
        Assert.Equal((404, "message_not_found"), (await api.SendAsync(HttpMethod.Delete, $"/v1/messages/{id}", null, deadline)) is var gone ? (gone.Status, gone.Code) : default);
        Assert.Equal(0L, (await api.GetAsync("/v1/agents/supervisor/inbox", deadline)).Json.GetProperty("total").GetInt64());
        Assert.Equal((409, "agent_is_supervisor"), (await api.PostAsync("/v1/agents/supervisor/kill", "", deadline)) is var kill ? (kill.Status, kill.Code) : default);
        Assert.Equal((409, "agent_is_supervisor"), (await api.PostAsync("/v1/tasks/assign", """{"agent":"supervisor","task":"x"}""", deadline)) is var assign ? (assign.Status, assign.Code) : default);
    }

    [Fact]
    public async Task The_same_message_twice_with_a_key_is_one_message_and_one_task()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        await api.SpawnAsync("ann", deadline);
        const string body = """{"to":"ann","message":"please rebase","urgent":true}""";
        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => api.PostAsync(Send, body, deadline, "key-1")));
        Assert.All(answers, one => Assert.Equal((201, answers[0].Text), (one.Status, one.Text)));
        Assert.Equal((1, 1), (await api.CountAsync("message", deadline), await api.CountAsync("task WHERE priority = 100", deadline)));
        Assert.Equal("idempotency_key_reused", (await api.PostAsync(Send, body.Replace("rebase", "merge", StringComparison.Ordinal), deadline, "key-1")).Code);
    }

    [Fact]
    public async Task Messages_nobody_acted_on_are_not_deleted_with_their_agent_and_move_when_somebody_says_where()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        await api.SpawnAsync("ann", deadline);
        var bob = await api.SpawnAsync("bob", deadline);
        await SendAsync(api, """{"to":"ann","message":"remember","kind":"query"}""", deadline);
        await SendAsync(api, """{"to":"ann","message":"a task"}""", deadline);
        await api.PostAsync("/v1/agents/ann/kill", "", deadline);
        Assert.Equal(0, (await api.PostAsync("/v1/agents/prune", """{"all":true}""", deadline)).Json.GetProperty("removed").GetInt32());
        foreach (var (body, dry) in ((string, bool)[])[("{}", false), ("""{"to":"bob"}""", true), ("""{"to_backlog":true}""", true)])
        {
            var preview = (await api.PostAsync($"/v1/reclaim{(dry ? "?dry_run=true" : "")}", body, deadline)).Json;
            Assert.Equal((1, 1), (preview.GetProperty("reclaimed").GetInt32(), preview.GetProperty("messages").GetInt32()));
            Assert.Equal(2, await api.CountAsync($"message WHERE to_agent <> '{bob}'", deadline));
        }

        var moved = (await api.PostAsync("/v1/reclaim", """{"to":"bob"}""", deadline)).Json;
        Assert.Equal((1, 1), (moved.GetProperty("reclaimed").GetInt32(), moved.GetProperty("messages").GetInt32()));
        Assert.Equal(2, await api.CountAsync($"message WHERE to_agent = '{bob}'", deadline));
        Assert.Equal("ann", (await api.PostAsync("/v1/agents/prune", "{}", deadline)).Json.GetProperty("agents")[0].GetString());
        Assert.Equal(2, await api.CountAsync("message", deadline));
        await api.CountersHoldAsync(deadline);
    }

    private static async Task<Answer> SendAsync(Api api, string body, CancellationToken deadline)
    {
        var answer = await api.PostAsync(Send, body, deadline);
        Assert.True(answer.Status == 201, answer.Text);
        return answer;
    }
}
