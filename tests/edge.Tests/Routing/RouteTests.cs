using System.Net;
using System.Net.Sockets;
using System.Text;
using Townhall.Testing;

namespace Townhall.Edge.Tests.Routing;

public sealed class RouteTests
{
    private readonly CancellationToken _deadline = Deadline.Of(TimeSpan.FromSeconds(60));

    [Fact]
    public async Task Each_public_path_reaches_its_service_and_no_other_path_reaches_any()
    {
        await using var town = await Town.StartAsync(_deadline);
        foreach (var (path, service) in ((string, string?)[])
        [
            ("/v1/tasks/assign", "townhall"), ("/v1/tasks/1/output?follow=true", "townhall"), ("/v1/x?wait_secs=5", "townhall"),
            ("/health", "townhall"), ("/healthz", "townhall"), ("/ready", "townhall"), ("/readyz", "townhall"), ("/metrics", "townhall"),
            ("/openapi/v1.json", "townhall"), ("/docs/", "townhall"),
            ("/api/scaling", "scaler"), ("/api/scaling/history", "scaler"),
            ("/events", "notifier"), ("/events?after=0", "notifier"),
            ("/", null), ("/v2/tasks", null), ("/api", null), ("/api/agents", null), ("/events/more", null), ("/health/more", null),
            ("/worker/register", null), ("/worker/lease", null), ("/internal/drain", null), ("/internal", null),
            ("/v1/../worker/lease", null), ("/v1/%2e%2e/worker/lease", null), ("//worker/lease", null), ("/health/../worker/lease", null),
        ])
        {
            var answer = await RawAsync(town.Edge, $"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
            var reached = answer.Split("\r\n").FirstOrDefault(static line => line.StartsWith("X-Upstream: ", StringComparison.Ordinal))?[12..];

            Assert.True(reached == service, $"{path} reached {reached ?? "nobody"}");
            Assert.StartsWith(service is null ? "HTTP/1.1 404" : "HTTP/1.1 200", answer, StringComparison.Ordinal);
            Assert.True(service is not null || answer.Contains("\"code\":\"unknown_path\"", StringComparison.Ordinal), answer);
        }
    }

    [Theory]
    [InlineData("/v1/..%2finternal/ready")]
    [InlineData("/v1/..%2Fworker%2Flease")]
    [InlineData("/v1/..%5cworker/lease")]
    [InlineData("/v1/x;/../../worker/lease")]
    [InlineData("/v1/%252e%252e/worker/lease")]
    public async Task No_spelling_of_a_path_means_another_one_behind_the_edge(string path)
    {
        await using var town = await Town.StartAsync(_deadline);

        var answer = await RawAsync(town.Edge, $"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");

        // Either nobody is reached, or the service sees a path that is still below /v1.
        Assert.True(
            !answer.Contains("X-Upstream", StringComparison.Ordinal) || answer.Contains("\nGET /v1/", StringComparison.Ordinal), answer);
    }

    [Fact]
    public async Task The_internal_probes_are_the_edge_s_own()
    {
        await using var town = await Town.StartAsync(_deadline);
        foreach (var path in (string[])["/internal/ready", "/internal/live"])
        {
            using var answer = await town.Edge.Client.GetAsync(new Uri(path, UriKind.Relative), _deadline);
            Assert.Equal((HttpStatusCode.OK, false), (answer.StatusCode, answer.Headers.Contains("X-Upstream")));
        }
    }

    [Fact]
    public async Task A_service_hears_the_caller_s_host_and_the_edge_s_word_on_where_it_came_from()
    {
        await using var town = await Town.StartAsync(_deadline);
        var answer = await RawAsync(town.Edge, """
            GET /v1/tasks HTTP/1.1
            Host: localhost:1234
            X-Forwarded-For: 6.6.6.6
            X-Forwarded-Host: evil
            X-Forwarded-Port: 1
            Forwarded: for=6.6.6.6
            X-Real-IP: 6.6.6.6
            X-Original-URL: /worker/lease
            Connection: close


            """.ReplaceLineEndings("\r\n"));

        Assert.Contains("\nHost: localhost:1234\n", answer, StringComparison.Ordinal);
        Assert.Contains("\nX-Forwarded-For: 127.0.0.1\n", answer, StringComparison.Ordinal);
        Assert.DoesNotContain("6.6.6.6", answer, StringComparison.Ordinal);
        Assert.DoesNotContain("evil", answer, StringComparison.Ordinal);
        Assert.DoesNotContain("X-Original", answer, StringComparison.Ordinal);
        Assert.DoesNotContain("X-Forwarded-Port", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Http2_without_tls_is_not_spoken()
    {
        await using var town = await Town.StartAsync(_deadline);

        var upgrade = await RawAsync(
            town.Edge,
            "GET /v1/x HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n");
        var prior = await RawAsync(town.Edge, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

        Assert.StartsWith("HTTP/1.1 200", upgrade, StringComparison.Ordinal);
        Assert.DoesNotContain("Upgrade: h2c", upgrade, StringComparison.Ordinal);
        Assert.False(prior.StartsWith("HTTP/1.1 200", StringComparison.Ordinal), prior);
    }

    /// <summary>Sends bytes as they are: a client library would tidy paths and headers first.</summary>
    internal async Task<string> RawAsync(ServiceProcess edge, string request)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, edge.Port, _deadline);
        await using var stream = client.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes(request), _deadline);
        using var answer = new MemoryStream();
        try
        {
            await stream.CopyToAsync(answer, _deadline);
        }
        catch (IOException)
        {
            // Reset instead of closed: what came before counts.
        }

        return Encoding.UTF8.GetString(answer.ToArray());
    }
}
