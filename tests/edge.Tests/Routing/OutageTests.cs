using System.Diagnostics;
using System.Net;
using System.Text;
using Microsoft.AspNetCore.Http;
using Townhall.Testing;

namespace Townhall.Edge.Tests.Routing;

public sealed class OutageTests
{
    private readonly CancellationToken _deadline = Deadline.Of(TimeSpan.FromSeconds(60));

    [Fact]
    public async Task A_service_that_is_away_is_a_503_problem_and_one_line_in_the_log()
    {
        await using var town = await Town.StartAsync(_deadline);
        await town.Townhall.DisposeAsync();
        for (var i = 0; i < 20; i++)
        {
            using var answer = await town.Edge.Client.GetAsync(new Uri("/v1/tasks", UriKind.Relative), _deadline);
            Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
            Assert.Equal("application/problem+json", answer.Content.Headers.ContentType?.MediaType);
            Assert.Equal(TimeSpan.FromSeconds(1), answer.Headers.RetryAfter?.Delta);
            Assert.Contains("service_unavailable", await answer.Content.ReadAsStringAsync(_deadline), StringComparison.Ordinal);
        }

        await Eventually.Holds(() => town.Edge.Process.Log.Contains("does not answer", StringComparison.Ordinal), _deadline);
        await using var back = await Upstream.StartAsync("townhall", port: town.Townhall.Port);
        using var again = await town.Edge.Client.GetAsync(new Uri("/v1/tasks", UriKind.Relative), _deadline);
        Assert.Equal(HttpStatusCode.OK, again.StatusCode);
        await Eventually.Holds(() => town.Edge.Process.Log.Contains("answers again", StringComparison.Ordinal), _deadline);
        Assert.Single(town.Edge.Process.Log.Split('\n'), static line => line.Contains("does not answer", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_service_that_breaks_off_is_a_503_that_does_not_claim_to_know()
    {
        await using var town = await Town.StartAsync(_deadline, townhall: static context =>
        {
            context.Abort();
            return Task.CompletedTask;
        });

        using var answer = await town.Edge.Client.PostAsync(
            new Uri("/v1/tasks", UriKind.Relative), new StringContent("{}", Encoding.UTF8, "application/json"), _deadline);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.Contains("not known", await answer.Content.ReadAsStringAsync(_deadline), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_service_that_says_nothing_is_waited_for_ten_seconds_but_a_followed_output_for_longer()
    {
        await using var town = await Town.StartAsync(_deadline, townhall: static async context =>
        {
            if (context.Request.Query.ContainsKey("follow"))
            {
                await context.Response.WriteAsync("first\n", context.RequestAborted);
                await context.Response.Body.FlushAsync(context.RequestAborted);
                await Task.Delay(TimeSpan.FromSeconds(12), TimeProvider.System, context.RequestAborted);
                await context.Response.WriteAsync("second\n", context.RequestAborted);
            }
            else
            {
                await Task.Delay(TimeSpan.FromSeconds(30), TimeProvider.System, context.RequestAborted);
            }
        });
        var clock = Stopwatch.StartNew();
        var followed = town.Edge.Client.GetStringAsync(new Uri("/v1/tasks/1/output?follow=true", UriKind.Relative), _deadline);

        using var silent = await town.Edge.Client.GetAsync(new Uri("/v1/tasks/1", UriKind.Relative), _deadline);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, silent.StatusCode);
        Assert.Contains("deadline_exceeded", await silent.Content.ReadAsStringAsync(_deadline), StringComparison.Ordinal);
        Assert.InRange(clock.Elapsed, TimeSpan.FromSeconds(8), TimeSpan.FromSeconds(14));

        Assert.Equal("first\nsecond\n", await followed);
    }

    [Fact]
    public async Task A_stream_arrives_as_it_is_sent()
    {
        var goOn = new TaskCompletionSource();
        await using var town = await Town.StartAsync(_deadline, notifier: async context =>
        {
            context.Response.ContentType = "text/event-stream";
            await context.Response.WriteAsync("id: 1\ndata: {}\n\n", context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
            await goOn.Task.WaitAsync(context.RequestAborted);
            await context.Response.WriteAsync("id: 2\ndata: {}\n\n", context.RequestAborted);
        });
        await using var body = await town.Edge.Client.GetStreamAsync(new Uri("/events", UriKind.Relative), _deadline);
        using var lines = new StreamReader(body);

        // The first has come although the second has not been written.
        Assert.Equal("id: 1", await lines.ReadLineAsync(_deadline));
        goOn.SetResult();
        Assert.Contains("id: 2", await lines.ReadToEndAsync(_deadline), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Addresses_that_are_missing_are_named_all_at_once()
    {
        await using var edge = await ServiceProcess.BeginAsync("services/edge", new Dictionary<string, string>());

        Assert.Equal(78, await edge.Process.ExitAsync(_deadline));
        await Eventually.Holds(
            () => edge.Process.Log.Contains("services__townhall__http__0", StringComparison.Ordinal)
                && edge.Process.Log.Contains("services__notifier__http__0", StringComparison.Ordinal),
            _deadline);
    }
}
