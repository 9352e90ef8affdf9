using Townhall.Testing;

namespace Townhall.Edge.Tests.Listening;

/// <summary>Which pages may call.</summary>
public sealed class CorsTests
{
    private const string Ours = "https://console.example";
    private readonly CancellationToken _deadline = Deadline.Of(TimeSpan.FromSeconds(60));

    [Theory]
    [InlineData(Ours, true)]
    [InlineData("http://console.example", false)]
    [InlineData("https://console.example.evil.example", false)]
    [InlineData("https://evil-console.example", false)]
    [InlineData("https://console.example:8443", false)]
    [InlineData("https://sub.console.example", false)]
    [InlineData("HTTPS://CONSOLE.EXAMPLE", false)]
    [InlineData("null", false)]
    public async Task Only_an_origin_that_was_named_exactly_may_read_and_ask_before(string origin, bool may)
    {
        await using var town = await Town.StartAsync(_deadline, settings: new()
        {
            ["TOWN_AUTH_MODE"] = "api_key",
            ["TOWN_CORS_ORIGINS"] = $"{Ours}, http://localhost:3000",
        });
        foreach (var method in (string[])["GET", "POST", "PUT", "PATCH", "DELETE"])
        {
            using var preflight = new HttpRequestMessage(HttpMethod.Options, "/v1/agents");
            preflight.Headers.TryAddWithoutValidation("Origin", origin);
            preflight.Headers.Add("Access-Control-Request-Method", method);
            preflight.Headers.Add("Access-Control-Request-Headers", "authorization,content-type");
            using var answer = await town.Edge.Client.SendAsync(preflight, _deadline);
            Assert.Equal(may ? origin : null, Allowed(answer));
            Assert.False(answer.Headers.Contains("X-Upstream"));
        }

        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/agents");
        request.Headers.TryAddWithoutValidation("Origin", origin);
        using var read = await town.Edge.Client.SendAsync(request, _deadline);
        Assert.Equal(may ? origin : null, Allowed(read));
        Assert.False(read.Headers.Contains("Access-Control-Allow-Credentials"));
    }

    [Fact]
    public async Task Without_a_list_no_page_is_allowed_anything()
    {
        await using var town = await Town.StartAsync(_deadline, settings: new() { ["TOWN_AUTH_MODE"] = "api_key" });
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/agents");
        request.Headers.Add("Origin", Ours);
        using var answer = await town.Edge.Client.SendAsync(request, _deadline);

        Assert.DoesNotContain(answer.Headers, static header => header.Key.StartsWith("Access-Control-", StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public async Task Credentials_pass_untouched_and_only_the_edge_says_where_a_request_came_from()
    {
        var file = Path.GetTempFileName();
        await File.WriteAllTextAsync(file, new string('e', 43), _deadline);
        await using var town = await Town.StartAsync(_deadline, settings: new() { ["TOWN_AUTH_MODE"] = "api_key", ["TOWN_EDGE_KEY_FILE"] = file });
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/agents");
        request.Headers.TryAddWithoutValidation("Authorization", "Bearer  one");
        request.Headers.TryAddWithoutValidation("X-API-Key", "two");
        request.Headers.TryAddWithoutValidation("X-Forwarded-For", "10.9.8.7");
        request.Headers.TryAddWithoutValidation("X-Townhall-Edge", "forged");
        using var answer = await town.Edge.Client.SendAsync(request, _deadline);
        var seen = await answer.Content.ReadAsStringAsync(_deadline);
        File.Delete(file);

        Assert.Contains("Authorization: Bearer  one\n", seen, StringComparison.Ordinal);
        Assert.Contains("X-API-Key: two\n", seen, StringComparison.Ordinal);
        Assert.Contains("X-Forwarded-For: 127.0.0.1", seen, StringComparison.Ordinal);
        Assert.Contains($"X-Townhall-Edge: {new string('e', 43)}", seen, StringComparison.Ordinal);
        Assert.DoesNotContain("10.9.8.7", seen, StringComparison.Ordinal);
        Assert.DoesNotContain("forged", seen, StringComparison.Ordinal);
    }

    private static string? Allowed(HttpResponseMessage answer) =>
        answer.Headers.TryGetValues("Access-Control-Allow-Origin", out var origins) ? origins.Single() : null;
}
