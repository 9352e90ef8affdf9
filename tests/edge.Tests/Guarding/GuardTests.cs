using System.Globalization;
using System.Net;
using System.Text;
using Townhall.Testing;

namespace Townhall.Edge.Tests.Guarding;

public sealed class GuardTests
{
    private readonly CancellationToken _deadline = Deadline.Of(TimeSpan.FromSeconds(60));

    [Fact]
    public async Task A_large_body_is_refused_whether_or_not_it_says_so_and_reaches_nobody_whole()
    {
        await using var town = await Town.StartAsync(_deadline);
        foreach (var chunked in (bool[])[false, true])
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/tasks/assign")
            {
                Content = new StringContent(new string('x', 2 * 1024 * 1024), Encoding.UTF8, "application/json"),
            };
            request.Headers.TransferEncodingChunked = chunked;

            // With 100-continue a client hears the refusal before it has sent everything.
            request.Headers.ExpectContinue = true;
            using var answer = await town.Edge.Client.SendAsync(request, _deadline);

            Assert.Equal(HttpStatusCode.RequestEntityTooLarge, answer.StatusCode);
            Assert.Contains("body_too_large", await answer.Content.ReadAsStringAsync(_deadline), StringComparison.Ordinal);
            Assert.False(answer.Headers.Contains("X-Upstream"));
        }
    }

    [Fact]
    public async Task A_body_up_to_the_limit_passes()
    {
        await using var town = await Town.StartAsync(_deadline);
        using var answer = await town.Edge.Client.PostAsync(
            new Uri("/v1/tasks/assign", UriKind.Relative), new StringContent(new string('x', 1024 * 1024), Encoding.UTF8, "application/json"), _deadline);

        Assert.EndsWith((1024 * 1024).ToString(CultureInfo.InvariantCulture), await answer.Content.ReadAsStringAsync(_deadline), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(7, HttpStatusCode.OK)]
    [InlineData(9, HttpStatusCode.RequestEntityTooLarge)]
    public async Task A_batch_of_tasks_may_have_8_MiB_and_no_more(int mib, HttpStatusCode status)
    {
        await using var town = await Town.StartAsync(_deadline);
        foreach (var chunked in (bool[])[false, true])
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/tasks/assign-batch")
            {
                Content = new StringContent(new string('x', mib * 1024 * 1024), Encoding.UTF8, "application/json"),
            };
            request.Headers.TransferEncodingChunked = chunked;
            request.Headers.ExpectContinue = true;
            using var answer = await town.Edge.Client.SendAsync(request, _deadline);
            Assert.Equal(status, answer.StatusCode);
        }
    }

    [Theory]
    [InlineData("Host", "evil.example", 403, "host_not_allowed")]
    [InlineData("Origin", "http://evil.example", 403, "origin_not_allowed")]
    [InlineData("Origin", "null", 403, "origin_not_allowed")]
    public async Task A_page_of_somebody_else_is_refused(string header, string value, int status, string code)
    {
        await using var town = await Town.StartAsync(_deadline);
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/agents");
        request.Headers.TryAddWithoutValidation(header, value);

        using var answer = await town.Edge.Client.SendAsync(request, _deadline);

        Assert.Equal(status, (int)answer.StatusCode);
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType?.MediaType);
        Assert.Contains(code, await answer.Content.ReadAsStringAsync(_deadline), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Bytes_that_say_so_pass_because_the_service_behind_decides()
    {
        await using var town = await Town.StartAsync(_deadline);
        using var bytes = new ByteArrayContent([0, 255, 10]);
        bytes.Headers.ContentType = new("application/octet-stream");
        using var answer = await town.Edge.Client.PostAsync(new Uri("/v1/blobs", UriKind.Relative), bytes, _deadline);

        Assert.EndsWith("3", await answer.Content.ReadAsStringAsync(_deadline), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_form_is_refused()
    {
        await using var town = await Town.StartAsync(_deadline);
        using var answer = await town.Edge.Client.PostAsync(
            new Uri("/v1/tasks/assign", UriKind.Relative), new StringContent("a=b", Encoding.UTF8, "text/plain"), _deadline);

        Assert.Equal(HttpStatusCode.UnsupportedMediaType, answer.StatusCode);
    }

    [Fact]
    public async Task Many_callers_at_once_are_all_served()
    {
        await using var town = await Town.StartAsync(_deadline);
        var answers = await Task.WhenAll(Enumerable.Range(0, 256).Select(async number =>
        {
            using var answer = await town.Edge.Client.GetAsync(
                new Uri("/v1/tasks?n=" + number.ToString(CultureInfo.InvariantCulture), UriKind.Relative), _deadline);
            return (answer.StatusCode, Text: await answer.Content.ReadAsStringAsync(_deadline));
        }));

        Assert.All(answers, static answer => Assert.Equal(HttpStatusCode.OK, answer.StatusCode));
        Assert.Equal(256, answers.Select(static answer => answer.Text.Split('\n')[0]).Distinct().Count());
    }
}
