using System.Collections.Concurrent;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Townhall.Cli.Tests.Harness;
using Townhall.Testing;

namespace Townhall.Cli.Tests.Fleets;

public sealed class FleetRunTests : IDisposable
{
    private const string File = """
        {
          "name": "small",
          "agents": [{ "name": "known", "cli": "sh" }, { "name": "fresh", "cli": "sh", "max_concurrency": 2 }],
          "tasks": [{ "agent": "known", "title": "First", "task": "echo 1" }, { "agent": "fresh", "title": "Second", "task": "echo 2" }]
        }
        """;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task It_makes_what_is_missing_follows_to_the_end_and_reports()
    {
        var spawned = new ConcurrentQueue<string>();
        await using var town = await TownAsync(spawned, static looks => looks switch { 1 => "assigned", 2 => "running", _ => "completed" });
        var terminal = new TestTerminal { Folder = _folder.Path };
        Assert.Equal(0, await terminal.RunAsync(town, "fleet", "run", _folder.Write("fleet.json", File)));
        Assert.Equal(["""{"name":"fresh","cli":"sh","max_concurrency":2}"""], spawned);
        Assert.Contains("2 of 2", terminal.Out, StringComparison.Ordinal);
        Assert.Contains("bubblewrap", terminal.Out, StringComparison.Ordinal);
        Assert.Contains("── First ──\nall \ufffd[31mgood\n", terminal.Out, StringComparison.Ordinal);
        Assert.Contains("running    Second", terminal.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Json_is_one_object()
    {
        await using var town = await TownAsync([], static _ => "completed");
        var terminal = new TestTerminal { Folder = _folder.Path };
        Assert.Equal(0, await terminal.RunAsync(town, "fleet", "run", _folder.Write("fleet.json", File), "--json"));
        var report = JsonDocument.Parse(terminal.Out).RootElement;
        Assert.Equal(("small", true, 2), (report.GetProperty("fleet").GetString(), report.GetProperty("ended").GetBoolean(), report.GetProperty("completed").GetInt32()));
        var second = report.GetProperty("tasks")[1];
        Assert.Equal(("Second", "fresh", "completed", 0), (
            second.GetProperty("title").GetString(), second.GetProperty("agent").GetString(), second.GetProperty("state").GetString(),
            second.GetProperty("exit_code").GetInt32()));
    }

    [Fact]
    public async Task On_a_terminal_it_redraws_one_view()
    {
        await using var town = await TownAsync([], static looks => looks < 3 ? "running" : "completed");
        var terminal = new TestTerminal { Folder = _folder.Path, IsTerminal = true };
        Assert.Equal(0, await terminal.RunAsync(town, "fleet", "run", _folder.Write("fleet.json", File)));
        Assert.Contains("━━━", terminal.Error, StringComparison.Ordinal);
        Assert.Contains("newest line", terminal.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_task_that_did_not_complete_makes_it_1()
    {
        await using var town = await TownAsync([], static _ => "failed");
        var terminal = new TestTerminal { Folder = _folder.Path };
        Assert.Equal(1, await terminal.RunAsync(town, "fleet", "run", _folder.Write("fleet.json", File)));
        Assert.Contains("0 of 2", terminal.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_agent_of_that_name_that_runs_something_else_is_left_alone()
    {
        await using var town = await TownAsync([], static _ => "completed");
        var terminal = new TestTerminal { Folder = _folder.Path };
        var file = _folder.Write("fleet.json", File.Replace("\"cli\": \"sh\" }", "\"cli\": \"bash\" }", StringComparison.Ordinal));
        Assert.Equal(5, await terminal.RunAsync(town, "fleet", "run", file));
        Assert.StartsWith("agent_differs: ", terminal.Error, StringComparison.Ordinal);
        Assert.Contains("known runs 'sh'", terminal.Error, StringComparison.Ordinal);
        Assert.DoesNotContain(town.Asked, static asked => asked.StartsWith("POST", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Leaving_it_cancels_nothing_and_says_where_to_look()
    {
        await using var town = await TownAsync([], static _ => "running");
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Deadline.Usual());
        var terminal = new TestTerminal { Folder = _folder.Path };
        var runs = terminal.RunAsync(stop.Token, "fleet", "run", _folder.Write("fleet.json", File), "--town-url", town.Address);
        await Eventually.Holds(() => terminal.Error.Contains("running    Second", StringComparison.Ordinal), Deadline.Usual());
        await stop.CancelAsync();
        Assert.Equal(130, await runs);
        Assert.Contains("Interrupted; the town works on. Look with: tt status", terminal.Error, StringComparison.Ordinal);
        Assert.DoesNotContain(town.Asked, static asked => asked.Contains("cancel", StringComparison.Ordinal));
    }

    [Fact]
    public async Task It_does_not_wait_for_ever()
    {
        await using var town = await TownAsync([], static _ => "running");
        var terminal = new TestTerminal { Folder = _folder.Path };
        Assert.Equal(8, await terminal.RunAsync(town, "fleet", "run", _folder.Write("fleet.json", File), "--wait-secs", "1"));
        Assert.Contains("Not waited for any longer; the town works on.", terminal.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrong_file_ends_with_2_before_anything_is_asked()
    {
        await using var town = await TownAsync([], static _ => "running");
        var terminal = new TestTerminal { Folder = _folder.Path };
        Assert.Equal(2, await terminal.RunAsync(town, "fleet", "run", _folder.Write("fleet.json", "{}")));
        Assert.Equal(3, terminal.Error.TrimEnd().Split('\n').Length);
        Assert.All(terminal.Error.TrimEnd().Split('\n'), static line => Assert.StartsWith("fleet_file: ", line, StringComparison.Ordinal));
        Assert.Empty(town.Asked);
    }

    /// <summary>A town that knows one agent, and whose tasks are in the state that belongs to how often each was looked at.</summary>
    private static Task<FakeTown> TownAsync(ConcurrentQueue<string> spawned, Func<int, string> state)
    {
        var looks = new ConcurrentDictionary<string, int>(StringComparer.Ordinal);
        var given = 0;
        return FakeTown.StartAsync(app =>
        {
            app.MapGet("/v1/agents", static () => FakeTown.Json(Documents.Agents(Documents.Agent("known", "sh"))));
            app.MapPost("/v1/agents", async (HttpContext context) =>
            {
                spawned.Enqueue(await new StreamReader(context.Request.Body).ReadToEndAsync());
                return FakeTown.Json(Documents.Spawned("fresh"), 201);
            });
            app.MapPost("/v1/tasks/assign", () => FakeTown.Json(Documents.Assigned($"01890a5d-ac96-774b-bcce-b30209900{++given:000}"), 201));
            app.MapGet("/v1/tasks/{id}", (string id) => FakeTown.Json(
                Documents.Task(id, state(looks.AddOrUpdate(id, 1, static (_, seen) => seen + 1)), result: "\"all \\u001b[31mgood\\n\"")));
            app.MapGet("/v1/tasks/{id}/output", static (long offset) => Results.Text("older line\nnewest line\nunfinished"[(int)offset..]));
            app.MapGet("/api/scaling", static () => FakeTown.Json(Documents.Scaling()));
        });
    }
}
