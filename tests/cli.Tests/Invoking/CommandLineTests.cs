using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Townhall.Cli.Invoking;
using Townhall.Cli.Tests.Harness;
using Townhall.Testing;

namespace Townhall.Cli.Tests.Invoking;

public sealed class CommandLineTests
{
    [Theory]
    [InlineData("")]
    [InlineData("nonsense")]
    [InlineData("spawn scout --cli sh --max-concurrency many")]
    [InlineData("task")]
    [InlineData("events --after -1")]
    [InlineData("fleet run f.json --wait-secs 0")]
    [InlineData("status --town-url ftp://somewhere")]
    [InlineData("status --town-url nowhere")]
    [InlineData("pause scout --freeze --unfreeze")]
    [InlineData("task list --state runing")]
    [InlineData("reclaim --cancel")]
    [InlineData("reclaim --orphan-tasks --to scout")]
    [InlineData("send scout hello --query --ack")]
    [InlineData("agent set scout")]
    [InlineData("spawn scout --cli sh --max-rounds 3")]
    [InlineData("keys create ci")]                                  // --scope is required
    [InlineData("keys create ci --scope admin --expires soon")]
    [InlineData("keys rotate ci --overlap -1")]
    [InlineData("completion powershell")]
    [InlineData("spawn x --max-concurrency 0")]
    [InlineData("blob put no-such-file")]
    [InlineData("message show 17")]
    public async Task A_wrong_command_line_ends_with_2_and_says_what_is_wrong(string line)
    {
        var terminal = new TestTerminal();
        Assert.Equal(2, await terminal.RunAsync(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)));
        Assert.StartsWith("usage: ", terminal.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", terminal.Error, StringComparison.Ordinal);
        Assert.Empty(terminal.Out);
    }

    [Theory]
    [InlineData("--help")]
    [InlineData("fleet run --help")]
    public async Task Help_is_an_answer_and_begins_with_examples(string line)
    {
        var terminal = new TestTerminal();
        Assert.Equal(0, await terminal.RunAsync(line.Split(' ')));
        Assert.Contains("--url", terminal.Out, StringComparison.Ordinal);
        Assert.StartsWith("Examples:\n  tt ", terminal.Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("stauts", "did you mean: tt status\n")]
    [InlineData("backlog lsit", "did you mean: tt backlog list\n")]
    [InlineData("spwan scout --cli sh", "did you mean: tt spawn\n")]
    [InlineData("status --jsno", "did you mean: tt status --json\n")]
    public async Task A_slip_of_the_finger_is_answered_with_what_was_meant(string line, string expected)
    {
        var terminal = new TestTerminal();
        Assert.Equal(2, await terminal.RunAsync(line.Split(' ')));
        Assert.Contains(expected, terminal.Error, StringComparison.Ordinal);
    }

    public static TheoryData<string> Gone() => [.. Replaced.All.Select(static each => each.Command)];

    [Theory]
    [MemberData(nameof(Gone))]
    public async Task A_command_without_a_place_says_what_does_its_work_in_one_line_and_ends_with_2(string command)
    {
        var terminal = new TestTerminal();
        Assert.Equal(2, await terminal.RunAsync(command, "--flag", "word"));
        Assert.StartsWith($"replaced: tt {command} has no place here. ", terminal.Error, StringComparison.Ordinal);
        Assert.Single(terminal.Error.TrimEnd().Split('\n'));
        Assert.Empty(terminal.Out);
    }

    [Theory]
    [MemberData(nameof(Gone))]
    [InlineData("stauts")]
    [InlineData("assign scout")]
    [InlineData("blob get 2cf2")]       // bytes are no JSON
    [InlineData("events --after -1")]
    [InlineData("agent set scout")]
    public async Task Also_a_wrong_command_line_is_answered_to_programs_in_json(string line)
    {
        var terminal = new TestTerminal();
        Assert.Equal(2, await terminal.RunAsync([.. line.Split(' '), "--json"]));
        var error = JsonDocument.Parse(terminal.Error).RootElement.GetProperty("error");
        Assert.Equal(Replaced.All.Any(each => each.Command == line) ? "replaced" : "usage", error.GetProperty("code").GetString());
        Assert.Equal(2, error.GetProperty("exit_code").GetInt32());
        Assert.True(error.GetProperty("detail").GetString()!.Length > 10);
        Assert.Single(terminal.Error.TrimEnd().Split('\n'));
        Assert.Empty(terminal.Out);
    }

    [Fact]
    public async Task No_option_of_any_command_takes_a_word_for_a_number_an_id_or_an_instant()
    {
        var tried = 0;
        foreach (var command in Below(CommandTree.Build(new TestTerminal().World())))
        {
            var path = string.Join(' ', command.Parents.OfType<System.CommandLine.Command>().Where(static above => above is not System.CommandLine.RootCommand)
                .Select(static above => above.Name).Append(command.Name));
            foreach (var option in command.Options.Where(static option => Nullable.GetUnderlyingType(option.ValueType) is not null))
            {
                var terminal = new TestTerminal();
                Assert.Equal(2, await terminal.RunAsync([.. path.Split(' '), option.Name, "a-word"]));
                Assert.Contains("usage: ", terminal.Error, StringComparison.Ordinal);
                Assert.DoesNotContain("System.", terminal.Error, StringComparison.Ordinal);
                tried++;
            }
        }

        Assert.InRange(tried, 40, 200);
    }

    [Theory]
    [InlineData("message show x", "'x' is not an id such as 01890a5d-ac96-774b-bcce-b302099a8057.")]
    [InlineData("assign scout x --not-before yesterday", "'yesterday' is not an instant such as 2026-01-02T03:04Z, as --not-before wants it.")]
    [InlineData("tenant set research x", "'x' is not a whole number.")]
    [InlineData("spawn scout --timeout-secs long", "'long' is not a number, as --timeout-secs wants it.")]
    public async Task A_value_that_cannot_be_read_is_told_without_types_of_the_program(string line, string words)
    {
        var terminal = new TestTerminal();
        Assert.Equal(2, await terminal.RunAsync(line.Split(' ')));
        Assert.StartsWith($"usage: {words}\n", terminal.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("restart scout --rounds 10", "--rounds has no meaning here: an agent is no process")]
    [InlineData("restart scout --foreground", "--foreground has no meaning here: an agent is no process")]
    [InlineData("events --mission 17", "--mission has no meaning here: towns have no missions yet. Say --task, --agent or --action.")]
    public async Task An_option_of_an_earlier_tool_says_why_it_is_gone(string line, string reason)
    {
        var terminal = new TestTerminal();
        Assert.Equal(2, await terminal.RunAsync(line.Split(' ')));
        Assert.StartsWith($"usage: {reason}", terminal.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_command_has_an_example_and_a_description_and_only_its_own_name()
    {
        var commands = Below(CommandTree.Build(new TestTerminal().World())).Where(static command => !command.Hidden).ToArray();
        Assert.All(commands, static command => Assert.False(string.IsNullOrEmpty(command.Description), command.Name));
        Assert.All(
            commands.Where(static command => command.Subcommands.Count == 0),
            static command => Assert.All(
                ((ExampledCommand)command).Examples is { Count: > 0 } examples ? examples : [""],
                example => Assert.Contains($" {command.Name}", example, StringComparison.Ordinal)));
    }

    private static IEnumerable<System.CommandLine.Command> Below(System.CommandLine.Command command) =>
        command.Subcommands.SelectMany(static below => (IEnumerable<System.CommandLine.Command>)[below, .. Below(below)]);

    [Fact]
    public async Task The_key_goes_to_the_town_and_nowhere_else()
    {
        string? authorization = null;
        await using var town = await FakeTown.StartAsync(app => app.MapGet("/v1/agents", (HttpContext context) =>
        {
            authorization = context.Request.Headers.Authorization;
            return FakeTown.Refusal(401, "unauthorized", "No.");
        }));
        var terminal = new TestTerminal();
        terminal.Environment[GlobalOptions.KeyVariable] = "tk_secret";
        Assert.Equal(4, await terminal.RunAsync(town, "list", "--verbose"));
        Assert.Equal("Bearer tk_secret", authorization);
        Assert.Equal(4, await terminal.RunAsync(town, "list", "--api-key", "tk_other"));
        Assert.Equal("Bearer tk_other", authorization);
        Assert.Equal(2, await terminal.RunAsync(town, "list", "--api-key", "tk with\nspaces"));
        Assert.DoesNotContain("tk_", terminal.Error + terminal.Out, StringComparison.Ordinal);
        Assert.DoesNotContain("spaces\n", terminal.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Failures_of_json_are_json()
    {
        await using var town = await FakeTown.StartAsync(static app => app.MapGet("/v1/tasks/{id}", static () => FakeTown.Refusal(404, "task_not_found", "No.")));
        var terminal = new TestTerminal();
        Assert.Equal(3, await terminal.RunAsync(town, "task", Documents.TaskId, "--json"));
        Assert.Equal("""{"error":{"code":"task_not_found","detail":"No.","exit_code":3,"status":404,"trace_id":"0"}}""" + "\n", terminal.Error);
    }

    [Fact]
    public async Task An_agent_that_is_unknown_is_answered_with_those_that_sound_alike()
    {
        await using var town = await FakeTown.StartAsync(static app =>
        {
            app.MapGet("/v1/agents", static () => FakeTown.Json(Documents.Agents(Documents.Agent("scout", "sh"), Documents.Agent("ranger", "sh"))));
            app.MapPost("/v1/messages/send", static () => FakeTown.Refusal(404, "agent_not_found", "Who?"));
            app.MapPost("/v1/agents/{agent}/kill", static () => FakeTown.Refusal(404, "agent_not_found", "No agent answers to 'scuot'."));
        });
        var terminal = new TestTerminal();
        Assert.Equal(3, await terminal.RunAsync(town, "kill", "scuot"));
        Assert.Equal("agent_not_found: No agent answers to 'scuot'. Did you mean scout?\n", terminal.Error);

        // Of two that were named, it is not the one that is there.
        foreach (var (from, answer) in ((string, string)[])[("nobody", ""), ("rangre", " Did you mean ranger?")])
        {
            var other = new TestTerminal();
            Assert.Equal(3, await other.RunAsync(town, "send", "scout", "hello", "--from", from));
            Assert.Equal($"agent_not_found: Who?{answer}\n", other.Error);
        }
    }

    [Fact]
    public async Task Without_a_town_it_ends_with_9_and_says_how_to_start_one()
    {
        var terminal = new TestTerminal();
        terminal.Environment[GlobalOptions.UrlVariable] = $"http://127.0.0.1:{Ports.Free()}";
        Assert.Equal(9, await terminal.RunAsync("status"));
        Assert.StartsWith("unreachable: No town answers at http://127.0.0.1:", terminal.Error, StringComparison.Ordinal);
        Assert.Contains("./run", terminal.Error, StringComparison.Ordinal);
        Assert.Single(terminal.Error.TrimEnd().Split('\n'));
    }

    [Fact]
    public async Task The_option_wins_over_the_environment()
    {
        await using var town = await FakeTown.StartAsync(static app => app.MapGet("/v1/agents", () => FakeTown.Json(Documents.Agents())));
        var terminal = new TestTerminal();
        terminal.Environment[GlobalOptions.UrlVariable] = "http://127.0.0.1:1";
        Assert.Equal(0, await terminal.RunAsync(town, "agents"));
    }

    [Fact]
    public async Task A_task_is_text_whatever_it_begins_with()
    {
        string? body = null;
        await using var town = await FakeTown.StartAsync(app => app.MapPost("/v1/tasks/assign", async (HttpContext context) =>
        {
            body = await new StreamReader(context.Request.Body).ReadToEndAsync();
            return FakeTown.Json(Documents.Assigned(Documents.TaskId), 201);
        }));
        var terminal = new TestTerminal();
        Assert.Equal(0, await terminal.RunAsync(town, "assign", "scout", "@/etc/passwd"));
        Assert.Contains("\"task\":\"@/etc/passwd\"", body, StringComparison.Ordinal);

        // To a pipe: the id and nothing else, for $(tt assign …).
        Assert.Equal(Documents.TaskId + "\n", terminal.Out);
    }

    [Fact]
    public async Task A_dash_reads_the_task_from_standard_input()
    {
        string? body = null;
        await using var town = await FakeTown.StartAsync(app => app.MapPost("/v1/tasks/assign", async (HttpContext context) =>
        {
            body = await new StreamReader(context.Request.Body).ReadToEndAsync();
            return FakeTown.Json(Documents.Assigned(Documents.TaskId), 201);
        }));
        var terminal = new TestTerminal { Input = "echo one\necho two\n" };
        Assert.Equal(0, await terminal.RunAsync(town, "assign", "scout", "-", "--json"));
        Assert.Equal("echo one\necho two\n", JsonDocument.Parse(body!).RootElement.GetProperty("task").GetString());
        Assert.Equal(Documents.TaskId, JsonDocument.Parse(terminal.Out).RootElement.GetProperty("task_id").GetString());
    }

    [Fact]
    public async Task A_spawn_sends_what_was_said_and_leaves_the_rest_to_the_town()
    {
        var bodies = new List<string>();
        await using var town = await FakeTown.StartAsync(app => app.MapPost("/v1/agents", async (HttpContext context) =>
        {
            bodies.Add(await new StreamReader(context.Request.Body).ReadToEndAsync());
            return FakeTown.Json(Documents.Spawned("scout"), 201);
        }));
        var terminal = new TestTerminal { Folder = "/srv/code" };
        Assert.Equal(0, await terminal.RunAsync(town, "spawn", "scout", "--cli", "sh"));
        Assert.Equal(0, await terminal.RunAsync(town, "spawn", "scout"));
        Assert.Equal(0, await terminal.RunAsync(town, "spawn", "scout", "--cli", "sh", "--max-concurrency", "2", "--grant-read", "app/", "--workdir", "."));
        Assert.Equal("""{"name":"scout","cli":"sh"}""", bodies[0]);
        Assert.Equal("""{"name":"scout"}""", bodies[1]);
        Assert.Equal("""{"name":"scout","cli":"sh","max_concurrency":2,"grant":{"read":["/srv/code/app"],"workdir":"/srv/code"}}""", bodies[2]);
    }

    [Fact]
    public async Task Colours_are_for_terminals_that_want_them()
    {
        await using var town = await FakeTown.StartAsync(static app => app.MapGet("/v1/agents", () => FakeTown.Json(Documents.Agents(Documents.Agent("scout", "sh")))));
        var pipe = new TestTerminal();
        var terminal = new TestTerminal { IsTerminal = true };
        var plain = new TestTerminal { IsTerminal = true };
        plain.Environment["NO_COLOR"] = "1";
        await pipe.RunAsync(town, "agents");
        await terminal.RunAsync(town, "agents");
        await plain.RunAsync(town, "agents");
        Assert.DoesNotContain("\u001b", pipe.Out, StringComparison.Ordinal);
        Assert.Contains("\u001b[32m", terminal.Out, StringComparison.Ordinal);
        Assert.DoesNotContain("\u001b[32m", plain.Out, StringComparison.Ordinal);
        Assert.Contains("scout", plain.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Scaling_shows_the_reasons_and_json_keeps_the_shape()
    {
        await using var town = await FakeTown.StartAsync(static app => app.MapGet("/api/scaling", () => FakeTown.Json(Documents.Scaling())));
        var (people, program) = (new TestTerminal(), new TestTerminal());
        Assert.Equal(0, await people.RunAsync(town, "scaling"));
        Assert.Equal(0, await program.RunAsync(town, "scaling", "--json"));
        Assert.Contains("One task waits.", people.Out, StringComparison.Ordinal);
        Assert.Equal(1, JsonDocument.Parse(program.Out).RootElement.GetProperty("recommended_workers").GetInt32());
    }
}
