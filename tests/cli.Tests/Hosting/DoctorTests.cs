using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Townhall.Cli.Tests.Harness;

namespace Townhall.Cli.Tests.Hosting;

public sealed class DoctorTests
{
    [Fact]
    public async Task A_town_that_can_work_is_healthy()
    {
        await using var town = await TownAsync();
        var terminal = new TestTerminal();
        Assert.Equal(0, await terminal.RunAsync(town, "doctor", "--json", "--data", "/nowhere"));
        Assert.Equal(
            "reachable ok, postgres ok, redis ok, dispatcher ok, clock ok, versions ok, credentials ok, workers ok, queue ok, sandbox ok, disk skipped",
            Verdicts(terminal.Out));
    }

    [Fact]
    public async Task What_is_away_is_named_with_a_remedy()
    {
        await using var town = await TownAsync("""{"status":"not_ready","redis":"disconnected","database":"disconnected","dispatcher":"unknown","town":"oak"}""", 503);
        var (people, program) = (new TestTerminal(), new TestTerminal());
        Assert.Equal(1, await people.RunAsync(town, "doctor"));
        Assert.Equal(1, await program.RunAsync(town, "doctor", "--json"));
        Assert.Contains("reachable ok, postgres failed, redis warning, dispatcher warning", Verdicts(program.Out), StringComparison.Ordinal);
        Assert.Contains("→ Nothing is accepted without it.", people.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_town_it_ends_with_9_and_still_answers()
    {
        var terminal = new TestTerminal();
        Assert.Equal(9, await terminal.RunAsync("doctor", "--json", "--url", "http://127.0.0.1:1", "--data", "/nowhere"));
        Assert.Equal("reachable failed, disk skipped", Verdicts(terminal.Out));
    }

    [Fact]
    public async Task A_missing_key_is_told_as_such()
    {
        await using var town = await TownAsync(refuses: true);
        var terminal = new TestTerminal();
        Assert.Equal(1, await terminal.RunAsync(town, "doctor"));
        Assert.Contains("→ Give a key with --api-key or TOWN_API_KEY", terminal.Out, StringComparison.Ordinal);
    }

    private static string Verdicts(string json) => string.Join(", ", JsonDocument.Parse(json).RootElement.GetProperty("checks").EnumerateArray()
        .Select(static check => $"{check.GetProperty("name").GetString()} {check.GetProperty("verdict").GetString()}"));

    private static Task<FakeTown> TownAsync(string? ready = null, int status = 200, bool refuses = false) => FakeTown.StartAsync(app =>
    {
        app.MapGet("/ready", () => FakeTown.Json(
            ready ?? """{"status":"ready","redis":"connected","redis_latency_ms":0.4,"database":"connected","dispatcher":"idle","town":"oak"}""", status));
        app.MapGet("/health", static () => FakeTown.Json("""{"status":"ok","version":"1.0.0","uptime_secs":20}"""));
        app.MapGet("/v1/town", () => refuses ? FakeTown.Refusal(401, "unauthorized", "No key.") : FakeTown.Json("""{"name":"oak","root":"/","redis_url":""}"""));
        app.MapGet("/api/scaling", static () => FakeTown.Json(Documents.Scaling()));
        app.MapGet("/v1/tasks", static () => FakeTown.Json(
            $$"""{"tasks":[{"task_id":"{{Documents.TaskId}}","description":"x","state":"completed"}],"count":1,"next_cursor":null}"""));
        app.MapGet("/v1/tasks/{id}", static (string id) => FakeTown.Json(Documents.Task(id, "completed")));
    });
}
