using System.Net;
using System.Text;
using System.Text.Json;
using Townhall.Testing;

namespace Townhall.Api.Tests.Output;

public sealed class FollowTests(PostgresServer postgres, RedisServer redis) : IClassFixture<PostgresServer>, IClassFixture<RedisServer>
{
    private readonly CancellationToken _deadline = Deadline.Of(TimeSpan.FromSeconds(60));

    [Fact]
    public async Task Who_follows_a_task_that_says_nothing_is_answered_at_once()
    {
        await using var database = await postgres.CreateDatabaseAsync(_deadline);
        await using var townhall = await ServiceProcess.StartAsync("services/townhall", database.Settings(redis.Instance), _deadline);
        await PostAsync(townhall.Client, "/v1/agents", """{"name":"ann","cli":"noop"}""");
        var task = (await PostAsync(townhall.Client, "/v1/tasks/assign", """{"agent":"ann","task":"later"}""")).GetProperty("task_id").GetString();

        // Nobody works here: the task neither says anything nor ends.
        using var followed = await townhall.Client.GetAsync(
            new Uri($"/v1/tasks/{task}/output?follow=true", UriKind.Relative), HttpCompletionOption.ResponseHeadersRead, _deadline);
        Assert.Equal((HttpStatusCode.OK, "text/plain"), (followed.StatusCode, followed.Content.Headers.ContentType!.MediaType));
    }

    private async Task<JsonElement> PostAsync(HttpClient client, string path, string json)
    {
        using var body = new StringContent(json, Encoding.UTF8, "application/json");
        using var answer = await client.PostAsync(new Uri(path, UriKind.Relative), body, _deadline);
        answer.EnsureSuccessStatusCode();
        using var document = JsonDocument.Parse(await answer.Content.ReadAsStringAsync(_deadline));
        return document.RootElement.Clone();
    }
}
