using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Townhall.Cli.Tests.Harness;

namespace Townhall.Cli.Tests.Invoking;

/// <summary>What each command asks of a town, and that it answers people and programs.</summary>
public sealed class EveryCommandTests
{
    private const string Id = Documents.TaskId;
    private const string Moved = """{"status":"paused","agent":"scout","agent_id":"01890a5d-ac96-774b-bcce-b302099a8001","frozen":false,"running":1}""";
    private const string Assigned = """{"task_id":"01890a5d-ac96-774b-bcce-b302099a8057","agent_id":"01890a5d-ac96-774b-bcce-b302099a8001","agent_name":"scout"}""";
    private const string Limit = """{"key":"disk","max_concurrency":2,"rate_per_minute":null,"burst":1,"configured":true,"held":1,"tokens":null,"parked":3}""";

    private const string Orphans = """
        {"action":"list","count":1,"orphans":[{"task_id":"01890a5d-ac96-774b-bcce-b302099a8057","assigned_to":"01890a5d-ac96-774b-bcce-b302099a8001","agent_name":"scout","state":"assigned","reason":"agent_terminal"}],"more":false,"dry_run":false}
        """;

    private const string Reclaimed = """
        {"reclaimed":1,"destination":"Backlog","tasks":[{"task_id":"01890a5d-ac96-774b-bcce-b302099a8057","assigned_to":"01890a5d-ac96-774b-bcce-b302099a8001","agent_name":"scout","state":"assigned","reason":"agent_terminal"}],"more":false,"dry_run":false}
        """;

    private const string MadeKey = """
        {"key_id":"6f1c0a9be2d47358","name":"ci","key":"thk_the_key_itself","scopes":["town.read"],"agent_id":null,"created_at":"2026-01-02T03:04:05Z","expires_at":null,"replaced_key_id":null}
        """;

    public static TheoryData<string, string, string, string, string> Commands() => new()
    {
        // typed, asked, body, answered, a word that people see
        { "pause scout", "POST /v1/agents/scout/pause", "", Moved, "scout is paused" },
        { "pause scout --freeze", "POST /v1/agents/scout/pause", """{"freeze":true}""", Moved, "one attempt" },
        { "interrupt scout", "POST /v1/agents/scout/interrupt", "", Moved, "scout" },
        { "resume scout", "POST /v1/agents/scout/resume", "", Moved, "scout" },
        { "close scout", "POST /v1/agents/scout/close", "", Moved, "scout" },
        { "kill scout", "POST /v1/agents/scout/kill", "", Moved, "scout" },
        { "restart scout", "POST /v1/agents/scout/restart", "", Moved, "scout" },
        { "prune --all --dry-run", "POST /v1/agents/prune?dry_run=true", """{"all":true}""", """{"removed":1,"agents":["old"],"more":false,"dry_run":true}""", "Would remove 1" },
        { "agent scout", "GET /v1/agents/scout", "", Documents.Agent("scout", "sh"), "works on" },
        { "agent set scout --weight 3", "PATCH /v1/agents/scout", """{"weight":3}""", Documents.Agent("scout", "sh"), "scout" },
        { "wait scout", "GET /v1/agents/scout", "", Documents.Agent("scout", "sh"), "3 tasks done" },
        { $"cancel {Id}", $"POST /v1/tasks/{Id}/cancel", "", Documents.Task(Id, "cancelled"), "is cancelled" },
        { $"retry {Id} --force", $"POST /v1/tasks/{Id}/retry", """{"force":true}""", Documents.Task(Id, "assigned"), Id },
        { $"steer {Id} slowly", $"POST /v1/tasks/{Id}/steer", """{"text":"slowly"}""", $$"""{"steering_id":1,"task_id":"{{Id}}","state":"running","attempt":1,"created_at":"2026-01-02T03:04:05Z"}""", "noted" },
        { $"steering {Id}", $"GET /v1/tasks/{Id}/steering", "", """{"steering":[{"steering_id":1,"text":"slowly","created_by":"local","created_at":"2026-01-02T03:04:05Z","delivered_at":null,"delivered_attempt":null}],"count":1}""", "not yet" },
        { "tasks --state failed,dead --agent scout -n 3", "GET /v1/tasks?state=failed%2Cdead&agent=scout&limit=3", "", $$"""{"tasks":[{"task_id":"{{Id}}","description":"echo hi","state":"failed","agent_name":"scout"}],"count":1,"next_cursor":null}""", "echo hi" },
        { "task current scout", "GET /v1/tasks?state=running&agent=scout&limit=100", "", """{"tasks":[],"count":0}""", "No tasks." },
        { "backlog add port --tags a,b", "POST /v1/backlog", """{"description":"port","tags":["a","b"]}""", $$"""{"task_id":"{{Id}}","description":"port"}""", Id },
        { "backlog list", "GET /v1/backlog", "", $$"""{"backlog":[{"task_id":"{{Id}}","description":"port","tags":["a"]}],"count":1}""", "port" },
        { $"backlog claim {Id} scout", $"POST /v1/backlog/{Id}/claim", """{"agent":"scout"}""", Assigned, Id },
        { "backlog assign-all scout", "POST /v1/backlog/assign-all", """{"agent":"scout"}""", $$"""{"assigned":1,"tasks":["{{Id}}"]}""", "1 task assigned" },
        { $"backlog remove {Id}", $"DELETE /v1/backlog/{Id}", "", $$"""{"removed":true,"task_id":"{{Id}}"}""", "withdrawn" },
        { "send scout hello --query --urgent", "POST /v1/messages/send", """{"to":"scout","message":"hello","kind":"query","urgent":true}""", $$"""{"message_id":"{{Id}}","to_agent":"scout","urgent":true}""", "sent to scout" },
        { "inbox scout", "GET /v1/agents/scout/inbox", "", $$"""{"agent":"scout","total":1,"urgent":0,"messages":[{"id":"{{Id}}","from":"ada","type":"query","summary":"which?"}]}""", "which?" },
        { "recover --dry-run", "POST /v1/recover?dry_run=true", "", """{"checked":2,"recovered":1,"agents":["scout"],"leases":1,"dry_run":true}""", "would be recovered" },
        { "reclaim --to-backlog", "POST /v1/reclaim", """{"to_backlog":true}""", Reclaimed, "Backlog" },
        { "reclaim --from scout --to ranger -n", "POST /v1/reclaim?dry_run=true", """{"to":"ranger","from":"scout"}""", Reclaimed, "agent_terminal" },
        { "reclaim --orphan-tasks", "POST /v1/reclaim/orphan-tasks", """{"action":"list"}""", Orphans, "nothing has changed" },
        { "reclaim --orphan-tasks --cancel", "POST /v1/reclaim/orphan-tasks", """{"action":"cancel"}""", Orphans, "cancel" },
        { "limits list", "GET /v1/limits?limit=1000", "", $$"""{"limits":[{{Limit}}],"count":1,"next_cursor":null}""", "disk" },
        { "limits get a/b", "GET /v1/limits/a%2Fb", "", Limit, "disk" },
        { "limits set disk --max-concurrency 2", "PUT /v1/limits/disk", """{"max_concurrency":2}""", Limit, "disk" },
        { "limits holders disk", "GET /v1/limits/disk/holders", "", """{"key":"disk","holders":[],"count":0,"max_concurrency":2,"held":1,"parked":3}""", "1 of 2 held" },
        { "tenant get research", "GET /v1/tenants/research", "", """{"name":"research","weight":3,"agents":2}""", "weight 3" },
        { "tenant set research 3", "PUT /v1/tenants/research", """{"weight":3}""", """{"name":"research","weight":3,"agents":2}""", "weight 3" },
        { "keys list", "GET /v1/keys?limit=1000", "", $$"""{"keys":[{{Documents.Key("ci", "active")}}],"count":1,"next_cursor":null}""", "2027-01-02" },
        { "keys create ci --scope town.read --scope agent.manage --expires 90d", "POST /v1/keys", """{"name":"ci","scopes":["town.read","agent.manage"],"expires_in_secs":7776000}""", MadeKey, "thk_the_key_itself" },
        { "keys rotate 6f1c0a9be2d47358 --overlap 10m --expires 12h", "POST /v1/keys/6f1c0a9be2d47358/rotate", """{"overlap_secs":600,"expires_in_secs":43200}""", MadeKey, "thk_the_key_itself" },
        { "keys rotate 6f1c0a9be2d47358", "POST /v1/keys/6f1c0a9be2d47358/rotate", "{}", MadeKey, "thk_the_key_itself" },
        { "bulk cancel --agent scout", "POST /v1/tasks/bulk", """{"action":"cancel","filter":{"agent":"scout"},"dry_run":true}""", $$"""{"bulk_id":"{{Id}}","count":1,"sample":[{{Documents.Task(Id, "assigned")}}],"confirm_token":"t","expires_at":"2026-01-02T03:04:05Z"}""", "Do it with --yes" },
    };

    [Theory]
    [MemberData(nameof(Commands))]
    public async Task It_asks_for_what_was_typed_and_shows_the_answer(string typed, string asked, string body, string answer, string shown)
    {
        string? sent = null;
        await using var town = await FakeTown.StartAsync(app => app.Map("/{**path}", async (HttpContext context) =>
        {
            sent = await new StreamReader(context.Request.Body).ReadToEndAsync();
            return FakeTown.Json(answer);
        }));
        var (people, program, terminal) = (new TestTerminal(), new TestTerminal(), new TestTerminal { IsTerminal = true });
        Assert.Equal(0, await people.RunAsync(town, typed.Split(' ')));
        Assert.Equal(asked, town.Asked.Single());
        Assert.Equal(body, sent);
        Assert.Contains(shown, people.Out, StringComparison.Ordinal);
        Assert.DoesNotContain('\u001b', people.Out);

        Assert.Equal(0, await terminal.RunAsync(town, typed.Split(' ')));
        Assert.All(terminal.Out.TrimEnd().Split('\n'), static line => Assert.InRange(Width(line), 0, 100));

        Assert.Equal(0, await program.RunAsync(town, [.. typed.Split(' '), "--json"]));
        Assert.Equal(JsonValueKind.Object, JsonDocument.Parse(program.Out).RootElement.ValueKind);
        Assert.Single(program.Out.TrimEnd().Split('\n'));
    }

    [Fact]
    public async Task Removing_a_limit_answers_although_the_town_says_nothing()
    {
        await using var town = await FakeTown.StartAsync(static app => app.MapDelete("/v1/limits/{key}", static () => Results.NoContent()));
        var terminal = new TestTerminal();
        Assert.Equal(0, await terminal.RunAsync(town, "limits", "remove", "disk", "--json"));
        Assert.Equal("""{"removed":true,"key":"disk"}""" + "\n", terminal.Out);
    }

    [Fact]
    public async Task A_bulk_is_looked_at_then_confirmed_then_followed()
    {
        var looks = 0;
        await using var town = await FakeTown.StartAsync(app =>
        {
            app.MapPost("/v1/tasks/bulk", async (HttpContext context) =>
                (await new StreamReader(context.Request.Body).ReadToEndAsync()).Contains("confirm_token", StringComparison.Ordinal)
                    ? FakeTown.Json(Progress("running", 0), 202)
                    : FakeTown.Json($$"""{"bulk_id":"{{Id}}","count":5,"sample":[],"confirm_token":"t","expires_at":"2026-01-02T03:04:05Z"}"""));
            app.MapGet("/v1/tasks/bulk/{id}", () => FakeTown.Json(++looks < 2 ? Progress("running", 2) : Progress("finished", 4)));
        });
        var terminal = new TestTerminal();
        Assert.Equal(0, await terminal.RunAsync(town, "bulk", "retry", "--failure-code", "workers_lost", "--yes"));
        Assert.Contains("4 done, 1 skipped, 0 failed (task_ended 1)", terminal.Out, StringComparison.Ordinal);
        Assert.Equal(2, looks);

        static string Progress(string state, int done) =>
            $$$"""{"bulk_id":"{{{Id}}}","action":"retry","state":"{{{state}}}","total":5,"done":{{{done}}},"skipped":1,"failed":0,"reasons":{"task_ended":1},"created_at":"2026-01-02T03:04:05Z"}""";
    }

    [Fact]
    public async Task Waiting_ends_with_8_when_the_time_is_over_and_with_1_when_the_agent_stopped_before()
    {
        var state = "Working";
        await using var town = await FakeTown.StartAsync(app => app.MapGet("/v1/agents/{agent}", () => FakeTown.Json(
            Documents.Agent("scout", "sh").Replace("Idle", state, StringComparison.Ordinal).Replace("\"inbox_len\":0", "\"inbox_len\":2", StringComparison.Ordinal))));
        var terminal = new TestTerminal();
        Assert.Equal(8, await terminal.RunAsync(town, "wait", "scout", "--timeout", "1"));
        Assert.Equal("late: After 1 s scout is working: 0 running, 2 waiting; it works on.\n", terminal.Error);
        state = "Stopped";
        Assert.Equal(1, await terminal.RunAsync(town, "wait", "scout"));
    }

    [Fact]
    public async Task A_result_is_left_where_the_worker_finds_it_and_only_for_its_own_task()
    {
        using var folder = new TemporaryFolder();
        var terminal = new TestTerminal();
        Assert.Equal(5, await terminal.RunAsync("task", "complete", Id, "--result", "all good"));
        terminal.Environment["TOWNHALL_TASK_ID"] = Id;
        terminal.Environment["TOWNHALL_RESULT_FILE"] = Path.Combine(folder.Path, "result");
        Assert.Equal(0, await terminal.RunAsync("task", "complete", Id, "--result", "all good"));
        Assert.Equal("all good", await File.ReadAllTextAsync(Path.Combine(folder.Path, "result")));
        Assert.Equal(5, await terminal.RunAsync("task", "complete", Documents.AgentId, "--result", "not mine"));
        Assert.Equal("all good", await File.ReadAllTextAsync(Path.Combine(folder.Path, "result")));
    }

    [Theory]
    [InlineData("status", "sttus", 1)]
    [InlineData("status", "stauts", 1)]
    [InlineData("status", "status", 0)]
    [InlineData("status", "", 6)]
    [InlineData("ab", "ba", 1)]
    public void Slips_are_counted_as_people_make_them(string one, string other, int slips) =>
        Assert.Equal(slips, Townhall.Cli.Invoking.DidYouMean.Distance(one, other, 10));

    /// <summary>Columns of a line without its colours.</summary>
    private static int Width(string line) => System.Text.RegularExpressions.Regex.Replace(line, "\u001b\\[[0-9;?]*[A-Za-z]", "").Length;
}
