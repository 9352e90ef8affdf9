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

    private const string Message = """
        {"message_id":"01890a5d-ac96-774b-bcce-b302099a8057","to_agent":"01890a5d-ac96-774b-bcce-b302099a8001","from":"ada","from_name":"ada","kind":"ack","message":"rejected: no tests","urgent":true,"ack_type":"rejected","reason":"no tests","correlation_id":"pr-12","task_id":null,"created_at":"2026-01-02T03:04:05Z","delivered_at":null,"delivered_to":null}
        """;

    private const string Deep = """
        {"name":"oak","root":"/srv/oak","agent_count":0,"agents":[],"tasks":{"pending":0,"assigned":0,"running":1,"waiting":0,"completed":0,"failed":0,"cancelled":0,"dead":0},"workers":1,
        "deep":{"running":[{"task_id":"01890a5d-ac96-774b-bcce-b302099a8057","description":"echo hi","agent_id":"01890a5d-ac96-774b-bcce-b302099a8001","agent_name":"scout","attempt":2,"leased_at":"2026-01-02T03:04:05Z","lease_until":"2026-01-02T03:05:05Z","worker_id":"01890a5d-ac96-774b-bcce-b302099a8002"}],
        "workers":[{"id":"01890a5d-ac96-774b-bcce-b302099a8002","name":"vm-1","host":"vm","state":"active","slots":4,"holding":1,"version":"1.0.0","sandbox":"bubblewrap","registered_at":"2026-01-02T03:04:05Z","seen_at":"2026-01-02T03:04:05Z"}]}}
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
        { "agent set scout --role reviewer", "PATCH /v1/agents/scout", """{"role_id":"reviewer"}""", Documents.Agent("scout", "sh"), "scout" },
        { "status --deep", "GET /v1/status?deep=true", "", Deep, "attempt 2" },
        { "wait scout", "GET /v1/agents/scout", "", Documents.Agent("scout", "sh"), "3 tasks done" },
        { $"cancel {Id}", $"POST /v1/tasks/{Id}/cancel", "", Documents.Task(Id, "cancelled"), "is cancelled" },
        { $"retry {Id} --force", $"POST /v1/tasks/{Id}/retry", """{"force":true}""", Documents.Task(Id, "assigned"), Id },
        { $"steer {Id} slowly", $"POST /v1/tasks/{Id}/steer", """{"text":"slowly"}""", $$"""{"steering_id":1,"task_id":"{{Id}}","state":"running","attempt":1,"created_at":"2026-01-02T03:04:05Z"}""", "noted" },
        { $"steering {Id}", $"GET /v1/tasks/{Id}/steering", "", """{"steering":[{"steering_id":1,"text":"slowly","created_by":"local","created_at":"2026-01-02T03:04:05Z","delivered_at":null,"delivered_attempt":null}],"count":1}""", "not yet" },
        { "tasks --state failed,dead --agent scout -n 3", "GET /v1/tasks?state=failed%2Cdead&agent=scout&limit=3", "", $$"""{"tasks":[{"task_id":"{{Id}}","description":"echo hi","state":"failed","agent_name":"scout"}],"count":1,"next_cursor":null}""", "echo hi" },
        { "tasks --created-after 2026-01-02T00:00Z --oldest", "GET /v1/tasks?created_after=2026-01-02T00%3A00%3A00.0000000Z&order=oldest&limit=50", "", """{"tasks":[],"count":0}""", "No tasks." },
        { "task current scout", "GET /v1/tasks?state=running&agent=scout&limit=100", "", """{"tasks":[],"count":0}""", "No tasks." },
        { "backlog add port --tags a,b", "POST /v1/backlog", """{"description":"port","tags":["a","b"]}""", $$"""{"task_id":"{{Id}}","description":"port"}""", Id },
        { "backlog list", "GET /v1/backlog", "", $$"""{"backlog":[{"task_id":"{{Id}}","description":"port","tags":["a"]}],"count":1}""", "port" },
        { $"backlog claim {Id} scout", $"POST /v1/backlog/{Id}/claim", """{"agent":"scout"}""", Assigned, Id },
        { "backlog assign-all scout", "POST /v1/backlog/assign-all", """{"agent":"scout"}""", $$"""{"assigned":1,"tasks":["{{Id}}"]}""", "1 task assigned" },
        { $"backlog remove {Id}", $"DELETE /v1/backlog/{Id}", "", $$"""{"removed":true,"task_id":"{{Id}}"}""", "withdrawn" },
        { "send scout hello --query --urgent", "POST /v1/messages/send", """{"to":"scout","message":"hello","kind":"query","urgent":true}""", $$"""{"message_id":"{{Id}}","to_agent":"scout","urgent":true}""", "sent to scout" },
        { $"message show {Id}", $"GET /v1/messages/{Id}", "", Message, "rejected" },
        { $"message remove {Id}", $"DELETE /v1/messages/{Id}", "", $$"""{"removed":true,"message_id":"{{Id}}"}""", "is removed" },
        { "inbox scout", "GET /v1/agents/scout/inbox?limit=100", "", $$"""{"agent":"scout","total":1,"urgent":0,"messages":[{"id":"{{Id}}","from":"ada","type":"query","summary":"which?"}]}""", "which?" },
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
    public async Task What_a_town_does_in_parts_is_asked_for_until_all_is_done_and_is_one_answer()
    {
        var calls = 0;
        await using var town = await FakeTown.StartAsync(app => app.Map("/{**path}", () => FakeTown.Json(
            Reclaimed.Replace("\"more\":false", ++calls < 3 ? "\"more\":true" : "\"more\":false", StringComparison.Ordinal))));
        var terminal = new TestTerminal();
        Assert.Equal(0, await terminal.RunAsync(town, "reclaim", "--to-backlog", "--json"));
        var answer = JsonDocument.Parse(terminal.Out).RootElement;
        Assert.Equal((3, 3, 3), (calls, answer.GetProperty("reclaimed").GetInt32(), answer.GetProperty("tasks").GetArrayLength()));
        Assert.False(answer.GetProperty("more").GetBoolean());
    }

    [Theory]
    [InlineData("reclaim --to-backlog --dry-run", "\"dry_run\":false", "\"dry_run\":true")]
    [InlineData("reclaim", "Backlog", "Listed")]
    [InlineData("reclaim --to-backlog", "\"reclaimed\":1", "\"reclaimed\":0")]
    public async Task A_preview_and_a_call_that_did_nothing_are_not_repeated(string typed, string from, string to)
    {
        await using var town = await FakeTown.StartAsync(app => app.Map("/{**path}", () => FakeTown.Json(
            Reclaimed.Replace("\"more\":false", "\"more\":true", StringComparison.Ordinal).Replace(from, to, StringComparison.Ordinal))));
        var terminal = new TestTerminal();
        Assert.Equal(0, await terminal.RunAsync(town, typed.Split(' ')));
        Assert.Single(town.Asked);
        Assert.Contains("there are more", terminal.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_inbox_is_read_over_its_pages_as_far_as_was_asked()
    {
        await using var town = await FakeTown.StartAsync(static app => app.MapGet("/v1/agents/{agent}/inbox", static (string? cursor) => FakeTown.Json(
            $$"""{"agent":"scout","total":3,"urgent":0,"messages":[{"id":"{{Id}}","from":"ada","type":"query","summary":"which?"}],"count":1,"next_cursor":"{{cursor}}x"}""")));
        var terminal = new TestTerminal();
        Assert.Equal(0, await terminal.RunAsync(town, "inbox", "scout", "-n", "2", "--json"));
        Assert.Equal(2, JsonDocument.Parse(terminal.Out).RootElement.GetProperty("inboxes")[0].GetProperty("messages").GetArrayLength());
        Assert.Equal(["GET /v1/agents/scout/inbox?limit=2", "GET /v1/agents/scout/inbox?limit=1&cursor=x"], town.Asked);
    }

    [Fact]
    public async Task A_blob_goes_there_and_back_byte_by_byte()
    {
        byte[]? kept = null;
        await using var town = await FakeTown.StartAsync(app =>
        {
            app.MapPut("/v1/blobs/{sha256}", async (string sha256, HttpContext context) =>
            {
                Assert.Equal("application/octet-stream", context.Request.ContentType);
                using var body = new MemoryStream();
                await context.Request.Body.CopyToAsync(body);
                kept = body.ToArray();
                return FakeTown.Json($$"""{"sha256":"{{sha256}}","bytes":{{kept.Length}}}""", 201);
            });
            app.MapGet("/v1/blobs/{sha256}", () => Results.Bytes(kept!, "application/octet-stream"));
        });
        using var folder = new TemporaryFolder();
        await File.WriteAllBytesAsync(Path.Combine(folder.Path, "in"), [0, 255, 10, 13, 27]);
        var terminal = new TestTerminal { Folder = folder.Path };
        Assert.Equal(0, await terminal.RunAsync(town, "blob", "put", "in"));
        var name = terminal.Out.TrimEnd();
        Assert.Equal(64, name.Length);
        Assert.Equal(0, await terminal.RunAsync(town, "blob", "get", name, "-o", "out"));
        Assert.Equal([0, 255, 10, 13, 27], await File.ReadAllBytesAsync(Path.Combine(folder.Path, "out")));
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
