using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Townhall.Testing;

namespace Townhall.Town.Tests;

/// <summary>What a caller does wrong is said in a problem document, and nothing is created.</summary>
[Collection(nameof(TownCollection))]
public sealed class BadInputTests(RunningTown town)
{
    public static TheoryData<string, string, string, int> Requests() => new()
    {
        { "POST", "/v1/tasks/assign", "{\"agent\":\"known\",", 400 },
        { "POST", "/v1/tasks/assign", "", 400 },
        { "POST", "/v1/tasks/assign", "null", 400 },
        { "POST", "/v1/tasks/assign", "[]", 400 },
        { "POST", "/v1/tasks/assign", "{\"agent\":7,\"task\":\"x\"}", 400 },
        { "POST", "/v1/tasks/assign", "{\"agent\":\"known\",\"task\":\"x\",\"task\":\"y\"}", 400 },
        { "POST", "/v1/tasks/assign", "{\"agent\":\"known\",\"task\":\"x\",\"unheard\":1}", 400 },
        { "POST", "/v1/tasks/assign", "{\"agent\":\"known\",\"task\":\"half \\ud800\"}", 400 },
        { "POST", "/v1/tasks/assign", "{\"agent\":\"known\",\"task\":\"\"}", 422 },
        { "POST", "/v1/tasks/assign", "{\"agent\":\"known\",\"task\":\"  \\n\"}", 422 },
        { "POST", "/v1/tasks/assign", "{\"agent\":\"known\"}", 422 },
        { "POST", "/v1/tasks/assign", "{\"agent\":\"known\",\"task\":\"a\\u0000b\"}", 422 },
        { "POST", "/v1/tasks/assign", "{\"agent\":\"known\",\"task\":\"x\",\"priority\":1000}", 422 },
        { "POST", "/v1/tasks/assign", "{\"agent\":\"known\",\"task\":\"x\",\"timeout_secs\":-1}", 422 },
        { "POST", "/v1/tasks/assign", "{\"agent\":\"known\",\"task\":\"x\",\"timeout_secs\":1e999}", 422 },
        { "POST", "/v1/tasks/assign", "{\"agent\":\"known\",\"task\":\"x\",\"not_before\":\"9999-12-31T23:59:59+02:00\"}", 422 },
        { "POST", "/v1/tasks/assign", "{\"agent\":\"known\",\"task\":\"x\",\"not_before\":\"soon\"}", 400 },
        { "POST", "/v1/tasks/assign", "{\"agent\":\"nobody\",\"task\":\"x\"}", 404 },
        { "POST", "/v1/tasks/assign", "{\"agent\":\"no\\u0000body\",\"task\":\"x\"}", 422 },
        { "POST", "/v1/agents", "{\"name\":\"\"}", 422 },
        { "POST", "/v1/agents", "{\"name\":\"../up\"}", 422 },
        { "POST", "/v1/agents", "{\"name\":\"known\"}", 409 },
        { "POST", "/v1/agents", "{\"name\":\"Supervisor\"}", 409 },
        { "POST", "/v1/agents", "{\"name\":\"new\",\"cli\":\"a\\u0000b\"}", 422 },
        { "POST", "/v1/agents", "{\"name\":\"new\",\"max_concurrency\":0}", 422 },
        { "POST", "/v1/agents", "{\"name\":\"new\",\"grant\":{\"read\":[\"relative\"]}}", 422 },
        { "GET", "/v1/agents?limit=-1", "", 400 },
        { "GET", "/v1/agents?limit=many", "", 400 },
        { "GET", "/v1/agents?cursor=%00", "", 400 },
        { "GET", "/v1/tasks/not-an-id", "", 400 },
        { "GET", "/v1/tasks/01890a5d-ac96-774b-bcce-b302099a8057", "", 404 },
        { "GET", "/v1/tasks/01890a5d-ac96-774b-bcce-b302099a8057/output", "", 404 },
        { "POST", "/v1/tasks/01890a5d-ac96-774b-bcce-b302099a8057/cancel", "", 404 },
        { "GET", "/v1/nothing", "", 404 },
        { "GET", "/worker/lease", "", 404 },
        { "POST", "/worker/register", "{}", 404 },
        { "GET", "/internal/secrets", "", 404 },
        { "DELETE", "/v1/agents", "", 405 },
        { "GET", "/v1/tasks/assign", "", 400 },
        { "PUT", "/v1/tasks/assign", "{}", 405 },
    };

    [Theory]
    [MemberData(nameof(Requests))]
    public async Task It_is_refused_in_words_and_creates_nothing(string method, string path, string body, int status)
    {
        var deadline = Deadline.Usual();
        await KnowAsync(deadline);
        var before = await CountsAsync(deadline);
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        if (body.Length > 0 || method is "POST" or "PUT")
        {
            request.Content = TownClient.Json(body);
        }

        using var answer = await town.Client.Http.SendAsync(request, deadline);
        await RefusedAsync(answer, status, deadline);
        Assert.Equal(before, await CountsAsync(deadline));
    }

    [Fact]
    public async Task A_body_of_10_MB_is_refused_and_creates_nothing()
    {
        var deadline = Deadline.Usual();
        await KnowAsync(deadline);
        var before = await CountsAsync(deadline);
        using var body = TownClient.Json($"{{\"agent\":\"known\",\"task\":\"{new string('x', 10 * 1024 * 1024)}\"}}");
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/tasks/assign") { Content = body };
        request.Headers.ExpectContinue = true;
        using var answer = await town.Client.Http.SendAsync(request, deadline);
        await RefusedAsync(answer, 413, deadline);
        Assert.Equal(before, await CountsAsync(deadline));
    }

    [Theory]
    [InlineData("text/plain", 415)]
    [InlineData("application/x-www-form-urlencoded", 415)]
    [InlineData("application/json; charset=klingon", 415)]
    public async Task A_body_that_is_not_JSON_is_refused(string contentType, int status)
    {
        var deadline = Deadline.Usual();
        await KnowAsync(deadline);
        using var body = new ByteArrayContent("{\"agent\":\"known\",\"task\":\"x\"}"u8.ToArray());
        body.Headers.ContentType = MediaTypeHeaderValue.Parse(contentType);
        using var answer = await town.Client.Http.PostAsync(new Uri("/v1/tasks/assign", UriKind.Relative), body, deadline);
        await RefusedAsync(answer, status, deadline);
    }

    [Theory]
    [InlineData("Origin", "http://evil.example", 403)]
    [InlineData("Origin", "null", 403)]
    [InlineData("Host", "rebound.example", 403)]
    public async Task Pages_of_elsewhere_cannot_drive_the_town(string header, string value, int status)
    {
        var deadline = Deadline.Usual();
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/status");
        request.Headers.TryAddWithoutValidation(header, value);
        using var answer = await town.Client.Http.SendAsync(request, deadline);
        await RefusedAsync(answer, status, deadline);
    }

    private static async Task RefusedAsync(HttpResponseMessage answer, int status, CancellationToken deadline)
    {
        var text = await answer.Content.ReadAsStringAsync(deadline);
        Assert.True((int)answer.StatusCode == status, $"{(int)answer.StatusCode} instead of {status}: {text}");
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType?.MediaType);
        var problem = JsonDocument.Parse(text).RootElement;
        Assert.Equal(status, problem.GetProperty("status").GetInt32());
        foreach (var member in (string[])["type", "title", "detail", "code", "trace_id"])
        {
            Assert.False(string.IsNullOrWhiteSpace(problem.GetProperty(member).GetString()), $"{member} is empty in {text}");
        }
    }

    private async Task KnowAsync(CancellationToken deadline)
    {
        using var answer = await town.Client.Http.PostAsync(
            new Uri("/v1/agents", UriKind.Relative), TownClient.Json("{\"name\":\"known\",\"cli\":\"sh\"}"), deadline);
        Assert.True(answer.StatusCode is HttpStatusCode.Created or HttpStatusCode.Conflict);
    }

    private async Task<(long Agents, string Tasks)> CountsAsync(CancellationToken deadline)
    {
        var status = await town.Client.GetAsync("/v1/status", deadline);
        return (status.GetProperty("agent_count").GetInt64(), status.GetProperty("tasks").GetRawText());
    }
}
