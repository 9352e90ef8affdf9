using System.Net;
using System.Net.Http.Headers;
using System.Text.RegularExpressions;
using Townhall.Testing;

namespace Townhall.Api.Tests.Docs;

public sealed partial class PageTests(PostgresServer postgres, RedisServer redis) : IClassFixture<PostgresServer>, IClassFixture<RedisServer>
{
    private readonly CancellationToken _deadline = Deadline.Of(TimeSpan.FromSeconds(60));

    [Theory]
    [InlineData("/docs", "text/html")]
    [InlineData("/docs/page.css", "text/css")]
    [InlineData("/docs/page.js", "text/javascript")]
    [InlineData("/openapi/v1.json", "application/json")]
    [InlineData("/openapi/v1.yaml", "application/yaml")]
    public async Task The_page_and_the_document_may_load_nothing_from_elsewhere_and_are_sent_once(string path, string media)
    {
        await using var database = await postgres.CreateDatabaseAsync(_deadline);
        await using var townhall = await ServiceProcess.StartAsync("services/townhall", database.Settings(redis.Instance), _deadline);
        using var answer = await townhall.Client.GetAsync(new Uri(path, UriKind.Relative), _deadline);
        Assert.Equal((HttpStatusCode.OK, media), (answer.StatusCode, answer.Content.Headers.ContentType!.MediaType));
        var policy = answer.Headers.GetValues("Content-Security-Policy").Single();
        Assert.StartsWith("default-src 'none';", policy, StringComparison.Ordinal);
        Assert.DoesNotContain("unsafe", policy, StringComparison.Ordinal);
        Assert.Equal("nosniff", answer.Headers.GetValues("X-Content-Type-Options").Single());

        using var again = new HttpRequestMessage(HttpMethod.Get, new Uri(path, UriKind.Relative));
        again.Headers.IfNoneMatch.Add(new EntityTagHeaderValue(answer.Headers.ETag!.Tag));
        using var unchanged = await townhall.Client.SendAsync(again, _deadline);
        Assert.Equal(HttpStatusCode.NotModified, unchanged.StatusCode);
    }

    [Fact]
    public void The_page_names_no_other_host_and_holds_no_inline_script_or_style()
    {
        var folder = Path.Combine(Programs.Repository(), "services", "townhall", "Docs");
        foreach (var file in new[] { "page.html", "page.css", "page.js" })
        {
            Assert.DoesNotMatch(Elsewhere(), File.ReadAllText(Path.Combine(folder, file)));
        }

        var page = File.ReadAllText(Path.Combine(folder, "page.html"));
        Assert.DoesNotContain("<style", page, StringComparison.Ordinal);
        Assert.DoesNotMatch(Inline(), page);
        Assert.DoesNotContain("innerHTML", File.ReadAllText(Path.Combine(folder, "page.js")), StringComparison.Ordinal);
    }

    [GeneratedRegex("(https?:)?//[a-z]", RegexOptions.IgnoreCase)]
    private static partial Regex Elsewhere();

    [GeneratedRegex("<script(?![^>]* src=)| on[a-z]+=| style=", RegexOptions.IgnoreCase)]
    private static partial Regex Inline();
}
