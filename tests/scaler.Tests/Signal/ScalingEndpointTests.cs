using System.Net;
using System.Text.Json;
using Townhall.Testing;

namespace Townhall.Scaler.Tests.Signal;

public sealed class ScalingEndpointTests(PostgresServer postgres, RedisServer redis) : IClassFixture<PostgresServer>, IClassFixture<RedisServer>
{
    private readonly CancellationToken _deadline = Deadline.Of(TimeSpan.FromSeconds(60));

    [Fact]
    public async Task The_signal_has_the_contract_s_members_and_ours_and_moves_with_the_town()
    {
        await using var database = await postgres.CreateDatabaseAsync(_deadline);
        await using var scaler = await ServiceProcess.StartAsync("services/scaler", database.Settings(redis.Instance), _deadline);

        using (var empty = await SignalAsync(scaler))
        {
            Assert.Equal(
                [
                    "town", "timestamp", "queue_depth", "pending_tasks", "in_flight_tasks", "active_agents", "cold_agents", "desired_agents",
                    "max_agents", "scaling_recommendation", "recommended_workers", "workers", "startable_tasks", "oldest_waiting_secs",
                    "age_ms", "reasons",
                ],
                empty.RootElement.EnumerateObject().Select(static member => member.Name));
            Assert.Equal("scale_to_zero", empty.RootElement.GetProperty("scaling_recommendation").GetString());
            Assert.EndsWith("Z", empty.RootElement.GetProperty("timestamp").GetString(), StringComparison.Ordinal);
            Assert.Equal(database.Town, empty.RootElement.GetProperty("town").GetString());
        }

        await Seed.BacklogAsync(database, 1, _deadline);
        await Seed.TasksAsync(database, await Seed.AgentAsync(database, "a", _deadline), 1, _deadline);
        var moved = await Eventually.Is(
            async () =>
            {
                using var signal = await SignalAsync(scaler);
                return signal.RootElement.GetRawText();
            },
            static text => text.Contains("\"queue_depth\":2", StringComparison.Ordinal),
            _deadline);

        using var now = JsonDocument.Parse(moved);
        Assert.Equal(
            (2, 2, 0, 1, 2, "scale_up", 1),
            (Number(now, "queue_depth"), Number(now, "pending_tasks"), Number(now, "in_flight_tasks"), Number(now, "active_agents"),
             Number(now, "desired_agents"), now.RootElement.GetProperty("scaling_recommendation").GetString(), Number(now, "recommended_workers")));
        Assert.InRange(Number(now, "age_ms"), 0, 1500);
    }

    [Fact]
    public async Task An_unchanged_signal_is_answered_with_304()
    {
        await using var database = await postgres.CreateDatabaseAsync(_deadline);
        await using var scaler = await ServiceProcess.StartAsync("services/scaler", database.Settings(redis.Instance), _deadline);
        using var first = await scaler.Client.GetAsync(new Uri("/api/scaling", UriKind.Relative), _deadline);
        using var again = new HttpRequestMessage(HttpMethod.Get, "/api/scaling");
        again.Headers.IfNoneMatch.Add(first.Headers.ETag!);

        using var second = await scaler.Client.SendAsync(again, _deadline);

        Assert.Equal(HttpStatusCode.NotModified, second.StatusCode);
    }

    [Fact]
    public async Task A_database_that_is_away_is_503_and_never_zero()
    {
        await using var own = await PostgresServer.StartOwnAsync(_deadline);
        await using var database = await PostgresServer.CopyAsync(own, _deadline);
        await using var scaler = await ServiceProcess.StartAsync("services/scaler", database.Settings(redis.Instance), _deadline);
        using (await SignalAsync(scaler))
        {
        }

        own.Pause();
        var answers = new List<(HttpStatusCode Status, string Body)>();
        await Eventually.Is(
            async () =>
            {
                using var answer = await scaler.Client.GetAsync(new Uri("/api/scaling", UriKind.Relative), _deadline);
                answers.Add((answer.StatusCode, await answer.Content.ReadAsStringAsync(_deadline)));
                return answer.StatusCode;
            },
            static status => status == HttpStatusCode.ServiceUnavailable,
            _deadline);

        // What was still answered came from a reading that said how old it was, and that was never older than 5 s.
        foreach (var (_, body) in answers.Where(static answer => answer.Status == HttpStatusCode.OK))
        {
            using var signal = JsonDocument.Parse(body);
            Assert.InRange(Number(signal, "age_ms"), 0, 5000);
        }

        Assert.Contains("database_unavailable", answers[^1].Body, StringComparison.Ordinal);
        own.Resume();
        await Eventually.Is(
            async () =>
            {
                using var answer = await scaler.Client.GetAsync(new Uri("/api/scaling", UriKind.Relative), _deadline);
                return answer.StatusCode;
            },
            static status => status == HttpStatusCode.OK,
            _deadline);
    }

    [Fact]
    public async Task It_stops_when_asked()
    {
        await using var database = await postgres.CreateDatabaseAsync(_deadline);
        await using var scaler = await ServiceProcess.StartAsync("services/scaler", database.Settings(redis.Instance), _deadline);

        Assert.Equal(0, await scaler.Process.StopAsync(_deadline));
    }

    private async Task<JsonDocument> SignalAsync(ServiceProcess scaler) =>
        JsonDocument.Parse(await scaler.Client.GetStringAsync(new Uri("/api/scaling", UriKind.Relative), _deadline));

    private static int Number(JsonDocument signal, string name) => signal.RootElement.GetProperty(name).GetInt32();
}
