using System.Net;
using Townhall.Client.Tests.Harness;
using Townhall.Testing;

namespace Townhall.Client.Tests.Calls;

public sealed class FaultTests
{
    private const string Assigned = """{"task_id":"01890a5d-ac96-774b-bcce-b302099a8057","agent_id":"01890a5d-ac96-774b-bcce-b302099a8001","agent_name":"scout"}""";
    private const string Noted = """{"steering_id":1,"task_id":"01890a5d-ac96-774b-bcce-b302099a8057","state":"running","attempt":1,"created_at":"2026-01-02T03:04:05Z"}""";

    [Fact]
    public async Task A_creating_call_that_breaks_is_made_again_under_the_same_key()
    {
        await using var town = await StubTown.StartAsync((context, call) =>
        {
            switch (call)
            {
                case 1:
                    context.Abort();
                    return Task.CompletedTask;
                case 2:
                    return StubTown.RefuseAsync(context, 503, "database_unavailable");
                default:
                    return StubTown.JsonAsync(context, Assigned, 201);
            }
        });
        using var client = town.Client();
        Assert.Equal("scout", (await client.AssignAsync(new("scout", "echo hi"), Deadline.Usual())).AgentName);
        Assert.Equal(3, town.Asked.Count);
        Assert.Single(town.Asked.Select(static asked => (asked.Line, asked.Key, asked.Body)).Distinct());
        Assert.True(Guid.TryParse(town.Asked.First().Key, out _));
        Assert.Equal("""{"agent":"scout","task":"echo hi"}""", town.Asked.First().Body);

        // Another call is another key: the same words twice are two tasks.
        await client.AssignAsync(new("scout", "echo hi"), Deadline.Usual());
        Assert.NotEqual(town.Asked.First().Key, town.Asked.Last().Key);
    }

    [Fact]
    public async Task What_would_happen_twice_is_not_made_again_when_it_breaks()
    {
        await using var town = await StubTown.StartAsync(static (context, _) =>
        {
            context.Abort();
            return Task.CompletedTask;
        });
        using var client = town.Client();
        var broken = await Assert.ThrowsAsync<TownUnreachableException>(() => client.SteerAsync("x", "leave the tests", Deadline.Usual()));
        Assert.True(broken.MayHaveChanged);
        Assert.Contains("not known", broken.Message, StringComparison.Ordinal);
        Assert.Single(town.Asked);
        Assert.Null(town.Asked.First().Key);
    }

    [Fact]
    public async Task What_would_happen_twice_is_made_again_when_it_was_not_begun()
    {
        await using var town = await StubTown.StartAsync(static (context, call) =>
            call == 1 ? StubTown.RefuseAsync(context, 429, "rate_limited", "0") : StubTown.JsonAsync(context, Noted, 202));
        using var client = town.Client();
        Assert.Equal(1, (await client.SteerAsync("x", "leave the tests", Deadline.Usual())).SteeringId);
        Assert.Equal(2, town.Asked.Count);
    }

    [Fact]
    public async Task Nothing_is_asked_again_before_retry_after()
    {
        var clock = new TestClock();
        await using var town = await StubTown.StartAsync(static (context, call) =>
            call == 1 ? StubTown.RefuseAsync(context, 429, "rate_limited", "5") : StubTown.JsonAsync(context, """{"name":"oak","root":"/","redis_url":""}"""));
        using var client = town.Client(options => options with { Clock = clock });
        var asks = client.TownAsync(Deadline.Usual());
        await Eventually.Holds(() => town.Asked.Count == 1 && clock.Armed > 1, Deadline.Usual());
        clock.Advance(TimeSpan.FromSeconds(4.9));
        Assert.Single(town.Asked);
        clock.Advance(TimeSpan.FromSeconds(0.4));
        Assert.Equal("oak", (await asks.WaitAsync(Deadline.Usual())).Name);
        Assert.Equal(2, town.Asked.Count);
    }

    [Fact]
    public async Task A_refusal_says_what_the_problem_document_says()
    {
        await using var town = await StubTown.StartAsync(static (context, _) => StubTown.RefuseAsync(context, 409, "agent_name_taken"));
        using var client = town.Client();
        var refusal = await Assert.ThrowsAsync<TownProblemException>(() => client.SpawnAsync(new("scout"), Deadline.Usual()));
        Assert.Equal((HttpStatusCode.Conflict, "agent_name_taken", "Why.", "4bf9"), (refusal.Status, refusal.Code, refusal.Message, refusal.TraceId));
        Assert.Single(town.Asked);
    }

    [Fact]
    public async Task What_is_no_problem_document_is_a_refusal_all_the_same()
    {
        await using var town = await StubTown.StartAsync(static (context, _) => StubTown.JsonAsync(context, "<html>", 403));
        using var client = town.Client();
        Assert.Equal("http_403", (await Assert.ThrowsAsync<TownProblemException>(() => client.TownAsync(Deadline.Usual()))).Code);
    }

    [Fact]
    public async Task A_town_that_says_nothing_is_waited_for_until_the_deadline_and_no_longer()
    {
        var clock = new TestClock();
        await using var town = await StubTown.StartAsync(static (context, _) => Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted));
        using var client = town.Client(options => options with { Clock = clock, Deadline = TimeSpan.FromSeconds(7) });
        var asks = client.CancelAsync("x", Deadline.Usual());
        await Eventually.Holds(() => town.Asked.Count == 1, Deadline.Usual());
        clock.Advance(TimeSpan.FromSeconds(7.1));
        var late = await Assert.ThrowsAsync<TownTimeoutException>(() => asks.WaitAsync(Deadline.Usual()));
        Assert.Equal("No answer within 7 s. Whether something was changed is not known.", late.Message);
    }

    [Fact]
    public async Task A_caller_who_gives_up_is_no_failure_of_the_town()
    {
        await using var town = await StubTown.StartAsync(static (context, _) => Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted));
        using var client = town.Client();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Deadline.Usual());
        var asks = client.TownAsync(stop.Token);
        await Eventually.Holds(() => town.Asked.Count == 1, Deadline.Usual());
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asks);
    }

    [Fact]
    public async Task An_answer_of_another_shape_is_told_as_such()
    {
        await using var town = await StubTown.StartAsync(static (context, _) => StubTown.JsonAsync(context, "[1]"));
        using var client = town.Client();
        Assert.Equal("unexpected_answer", (await Assert.ThrowsAsync<TownAnswerException>(() => client.TownAsync(Deadline.Usual()))).Code);
    }

    [Fact]
    public async Task The_key_goes_out_as_bearer_and_never_after_a_redirect()
    {
        await using var town = await StubTown.StartAsync(static (context, _) =>
        {
            context.Response.Headers.Location = "/elsewhere";
            context.Response.StatusCode = 302;
            return Task.CompletedTask;
        });
        using var client = town.Client(static options => options with { ApiKey = "tk_secret" });
        Assert.Equal("http_302", (await Assert.ThrowsAsync<TownProblemException>(() => client.TownAsync(Deadline.Usual()))).Code);
        Assert.Equal("Bearer tk_secret", Assert.Single(town.Asked).Authorization);
    }

    [Fact]
    public async Task Without_a_town_it_says_so_after_its_tries()
    {
        using var client = new TownClient(new TownClientOptions(new Uri($"http://127.0.0.1:{Ports.Free()}")) { RetriesMost = 1 });
        var nobody = await Assert.ThrowsAsync<TownUnreachableException>(() => client.TownAsync(Deadline.Usual()));
        Assert.False(nobody.MayHaveChanged);
    }

    [Theory]
    [InlineData("ftp://somewhere")]
    [InlineData("/relative")]
    public void An_address_that_is_none_is_refused_at_once(string address) =>
        Assert.Throws<ArgumentException>(() => new TownClientOptions(new Uri(address, UriKind.RelativeOrAbsolute)));

    [Fact]
    public async Task A_page_that_leads_to_itself_is_the_last()
    {
        await using var town = await StubTown.StartAsync(static (context, _) => StubTown.JsonAsync(context, """{"backlog":[],"count":0,"next_cursor":"again"}"""));
        using var client = town.Client();
        Assert.Empty(await client.BacklogAsync(Deadline.Usual()).ToListAsync());
        Assert.Equal(["GET /v1/backlog", "GET /v1/backlog?cursor=again"], town.Asked.Select(static asked => asked.Line));
    }

    [Fact]
    public async Task Changes_of_an_agent_name_only_what_changes()
    {
        await using var town = await StubTown.StartAsync(static (context, _) => StubTown.RefuseAsync(context, 404, "agent_not_found"));
        using var client = town.Client();
        await Assert.ThrowsAsync<TownProblemException>(() => client.ChangeAgentAsync(
            "a/b c", new AgentChange { MaxConcurrency = 2, TimeoutSecs = 0, Nickname = "" }, Deadline.Usual()));
        Assert.Equal(("PATCH /v1/agents/a%2Fb%20c", """{"max_concurrency":2,"timeout_secs":null,"nickname":null}"""), (town.Asked.Single().Line, town.Asked.Single().Body));
    }
}
