using System.Security.Cryptography;
using System.Text;
using Townhall.Worker.Tests.Harness;

namespace Townhall.Worker.Tests.Command;

/// <summary>What a command's end becomes. Every test runs with a sandbox and, in the class below, without.</summary>
public abstract class CommandResultTests(RunningWorker host)
{
    private readonly FakeDispatcher _dispatcher = host.Dispatcher;

    [Theory]
    [InlineData("exit 0", "completed", 0, null)]
    [InlineData("exit 1", "failed", 1, "exit_code")]
    [InlineData("exit 127", "failed", 127, "exit_code")]
    [InlineData("exit 255", "failed", 255, "exit_code")]
    [InlineData("kill -9 $$", "failed", 137, "signal")]
    [InlineData("kill -SEGV $$", "failed", 139, "signal")]
    [InlineData("nonsense-program-x", "failed", 127, "exit_code")]
    public async Task The_exit_code_decides(string script, string outcome, int exitCode, string? failure)
    {
        var result = await _dispatcher.ResultOfAsync(_dispatcher.Enqueue("sh", script));
        Assert.Equal((outcome, exitCode, failure), (result.Outcome, result.ExitCode, result.FailureCode));
    }

    [Fact]
    public async Task The_text_arrives_on_standard_input_in_the_file_and_in_placeholders()
    {
        const string text = "line one\n$(id) `id` 'quoted' \"double\" ü 漢字 \\ -n\nlast";
        var lease = _dispatcher.Enqueue("""sh -c 'cat; echo; echo --; cat "$TOWNHALL_PROMPT_FILE"; echo; echo --; printf %s "$1"; echo; cat "$2"' x {prompt} {prompt_file}""", text);
        var result = await _dispatcher.ResultOfAsync(lease);
        Assert.Equal($"{text}\n--\n{text}\n--\n{text}\n{text}", result.Result);
    }

    [Fact]
    public async Task A_program_that_is_not_there_has_a_code_of_its_own()
    {
        foreach (var cli in (string[])["no-such-program-here", "/no/such/program", "codex", "auggie"])
        {
            var result = await _dispatcher.ResultOfAsync(_dispatcher.Enqueue(cli, "x"));
            Assert.Equal(("failed", "program_not_found", null), (result.Outcome, result.FailureCode, result.ExitCode));
        }
    }

    [Fact]
    public async Task A_script_whose_interpreter_is_missing_is_a_program_that_is_not_there()
    {
        var script = Path.Combine(host.Scratch.Shared("scripts"), "broken");
        await File.WriteAllTextAsync(script, "#!/no/such/interpreter\n");
        File.SetUnixFileMode(script, (UnixFileMode)0b111_101_101);
        var result = await _dispatcher.ResultOfAsync(_dispatcher.Enqueue(script, "x"));
        Assert.Equal("program_not_found", result.FailureCode);
        Assert.Contains("/no/such/interpreter", result.FailureDetail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_program_outside_of_the_system_is_found_by_its_path()
    {
        var script = Path.Combine(host.Scratch.Shared("tools"), "mine");
        await File.WriteAllTextAsync(script, "#!/bin/sh\necho mine \"$1\"\n");
        File.SetUnixFileMode(script, (UnixFileMode)0b111_101_101);
        var result = await _dispatcher.ResultOfAsync(_dispatcher.Enqueue($"'{script}' {{prompt}}", "a b"));
        Assert.Equal(("completed", "mine a b\n"), (result.Outcome, result.Result));
    }

    [Theory]
    [InlineData("sh -c 'unclosed", "bad_command_line")]
    [InlineData("   ", "bad_command_line")]
    public async Task A_command_line_that_cannot_be_split_is_not_run(string cli, string failure)
    {
        var result = await _dispatcher.ResultOfAsync(_dispatcher.Enqueue(cli, "x"));
        Assert.Equal(("failed", failure), (result.Outcome, result.FailureCode));
    }

    [Fact]
    public async Task The_result_file_goes_before_the_output()
    {
        var result = await _dispatcher.ResultOfAsync(_dispatcher.Enqueue("sh", "echo talk; echo noise >&2; printf answer > \"$TOWNHALL_RESULT_FILE\""));
        Assert.Equal(("answer", 6L, 11L), (result.Result, result.ResultBytes, result.OutputBytes));
    }

    [Fact]
    public async Task Without_a_result_file_the_result_is_what_was_printed_but_not_the_complaints()
    {
        var lease = _dispatcher.Enqueue("sh", "echo out; echo err >&2; exit 3");
        var result = await _dispatcher.ResultOfAsync(lease);
        Assert.Equal("out\n", result.Result);
        Assert.Contains("err", _dispatcher.OutputOf(lease), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(65536, false)]
    [InlineData(65537, true)]
    [InlineData(1048576, true)]
    public async Task Up_to_64_KiB_are_inline_and_the_whole_of_more_is_a_blob(int bytes, bool isBlob)
    {
        var result = await _dispatcher.ResultOfAsync(_dispatcher.Enqueue("sh", $"head -c {bytes} /dev/zero | tr '\\0' x > \"$TOWNHALL_RESULT_FILE\""));
        Assert.Equal((Math.Min(bytes, 65536), bytes, isBlob), (result.Result!.Length, result.ResultBytes, result.ResultBlob is not null));
        if (isBlob)
        {
            var blob = _dispatcher.Blobs[result.ResultBlob!];
            Assert.Equal((bytes, result.ResultBlob), (blob.Length, Convert.ToHexStringLower(SHA256.HashData(blob))));
        }
    }

    [Fact]
    public async Task A_result_beyond_1_MiB_is_cut_and_says_so()
    {
        var result = await _dispatcher.ResultOfAsync(_dispatcher.Enqueue("sh", "head -c 3000000 /dev/zero | tr '\\0' y"));
        Assert.Equal(3_000_000, result.ResultBytes);
        var blob = Encoding.UTF8.GetString(_dispatcher.Blobs[result.ResultBlob!]);
        Assert.True(blob.Length <= 1024 * 1024);
        Assert.EndsWith("[cut: the whole was 3000000 bytes]\n", blob, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Bytes_that_are_no_text_become_text_and_stay_bytes_in_the_output()
    {
        var lease = _dispatcher.Enqueue("sh", "printf 'a\\0\\377b'");
        var result = await _dispatcher.ResultOfAsync(lease);
        Assert.Equal("a\ufffd\ufffdb", result.Result);
        Assert.Equal([(byte)'a', 0, 255, (byte)'b'], _dispatcher.BytesOf(lease));
    }

    [Theory]
    [InlineData("ln -s /etc/hostname \"$TOWNHALL_RESULT_FILE\"")]
    [InlineData("mkfifo \"$TOWNHALL_RESULT_FILE\"")]
    [InlineData("mkdir \"$TOWNHALL_RESULT_FILE\"")]
    [InlineData("echo x > other; ln other \"$TOWNHALL_RESULT_FILE\" 2>/dev/null || ln -s other \"$TOWNHALL_RESULT_FILE\"")]
    public async Task A_result_that_is_no_ordinary_file_is_not_opened(string trick)
    {
        var result = await _dispatcher.ResultOfAsync(_dispatcher.Enqueue("sh", $"{trick}; echo printed"));
        Assert.Equal(("completed", "printed\n"), (result.Outcome, result.Result));
    }

    [Fact]
    public async Task A_result_file_larger_than_the_disk_is_read_up_to_its_limit()
    {
        var result = await _dispatcher.ResultOfAsync(_dispatcher.Enqueue("sh", "truncate -s 7G \"$TOWNHALL_RESULT_FILE\""));
        Assert.Equal(7L << 30, result.ResultBytes);
        Assert.True(_dispatcher.Blobs[result.ResultBlob!].Length <= 1024 * 1024);
    }

    [Fact]
    public async Task A_timeout_ends_the_whole_tree_and_has_a_code_of_its_own()
    {
        var sleep = Sleeps.UniqueSleep();
        var lease = _dispatcher.Enqueue(
            "sh", $"trap '' TERM; sleep {sleep} & setsid sleep {sleep} & (setsid sh -c 'sleep {sleep} & sleep {sleep}' &) ; sleep {sleep}", timeoutSecs: 1.5);
        await Sleeps.AppearAsync(sleep, 5, host.Worker.Log);
        var result = await _dispatcher.ResultOfAsync(lease);
        Assert.Equal(("failed", "timed_out"), (result.Outcome, result.FailureCode));
        Assert.Empty(Sleeps.With(sleep));
    }

    [Fact]
    public async Task Grandchildren_end_with_the_attempt_and_do_not_hold_it_up()
    {
        var sleep = Sleeps.UniqueSleep();
        var started = TimeProvider.System.GetTimestamp();
        var lease = _dispatcher.Enqueue("sh", $"sleep {sleep} & setsid sleep {sleep} & (setsid sh -c 'sleep {sleep} &' &); echo done");
        var result = await _dispatcher.ResultOfAsync(lease);
        Assert.Equal(("completed", "done\n"), (result.Outcome, result.Result));
        Assert.True(TimeProvider.System.GetElapsedTime(started) < TimeSpan.FromSeconds(5));
        Assert.Empty(Sleeps.With(sleep));
    }

    [Fact]
    public async Task Output_is_seen_while_the_command_runs_in_the_order_it_was_printed()
    {
        var gate = Path.Combine(host.Scratch.Shared("gates"), Guid.NewGuid().ToString("N"));
        var lease = _dispatcher.Enqueue(
            "sh", $"for i in 1 2 3; do echo line $i; done; while [ ! -e {gate} ]; do sleep 0.02; done; echo end",
            grant: new("none", [Path.GetDirectoryName(gate)!], [], null));
        await Eventually.TrueAsync(() => _dispatcher.OutputOf(lease) == "line 1\nline 2\nline 3\n", () => _dispatcher.OutputOf(lease));
        await File.WriteAllTextAsync(gate, "");
        Assert.Equal("completed", (await _dispatcher.ResultOfAsync(lease)).Outcome);
        Assert.Equal("line 1\nline 2\nline 3\nend\n", _dispatcher.OutputOf(lease));
    }

    [Fact]
    public async Task Much_output_arrives_whole()
    {
        var lease = _dispatcher.Enqueue("sh", "seq 1 400000");
        var result = await _dispatcher.ResultOfAsync(lease);
        var expected = string.Concat(Enumerable.Range(1, 400_000).Select(static number => $"{number}\n"));
        Assert.Equal((expected.Length, expected.Length), ((int)result.OutputBytes, _dispatcher.OutputOf(lease).Length));
        Assert.Equal(expected, _dispatcher.OutputOf(lease));
    }

    [Fact]
    public async Task A_note_of_a_person_reaches_the_command_by_its_steering_file()
    {
        var lease = _dispatcher.Enqueue("sh", "echo ready; while ! grep -q stop \"$TOWNHALL_STEERING_FILE\"; do sleep 0.02; done; cat \"$TOWNHALL_STEERING_FILE\"");
        await Eventually.TrueAsync(() => _dispatcher.OutputOf(lease) == "ready\n", () => _dispatcher.OutputOf(lease));
        var at = new DateTime(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc);
        // A note whose acknowledgement was lost comes twice.
        foreach (var (id, text) in ((long, string)[])[(7, "turn left"), (7, "turn left"), (8, "and \"then\"\nstop")])
        {
            _dispatcher.Direct(new("steer", lease.TaskId, 1, text, id, at));
        }

        Assert.Equal(
            "ready\n{\"id\":7,\"at\":\"2026-01-02T03:04:05Z\",\"text\":\"turn left\"}\n"
            + "{\"id\":8,\"at\":\"2026-01-02T03:04:05Z\",\"text\":\"and \\u0022then\\u0022\\nstop\"}\n",
            (await _dispatcher.ResultOfAsync(lease)).Result);
        await Eventually.TrueAsync(
            () => _dispatcher.DirectiveCalls.SelectMany(static call => call.Steered ?? []).Where(taken => taken.TaskId == lease.TaskId)
                .Select(static taken => (taken.Id, taken.Epoch, taken.Delivered)).Distinct().Order()
                .SequenceEqual([(7L, 1, true), (8L, 1, true)]),
            () => "not acknowledged");
    }

    [Fact]
    public async Task A_note_that_the_command_has_no_file_for_is_said_to_be_undelivered()
    {
        var gate = Path.Combine(host.Scratch.Shared("gates"), Guid.NewGuid().ToString("N"));
        var lease = _dispatcher.Enqueue(
            "sh", $"rm \"$TOWNHALL_STEERING_FILE\"; echo ready; while [ ! -e {gate} ]; do sleep 0.02; done",
            grant: new("none", [Path.GetDirectoryName(gate)!], [], null));
        await Eventually.TrueAsync(() => _dispatcher.OutputOf(lease) == "ready\n", () => _dispatcher.OutputOf(lease));
        _dispatcher.Direct(new("steer", lease.TaskId, 1, "turn left", 9, null));
        await Eventually.TrueAsync(
            () => _dispatcher.DirectiveCalls.SelectMany(static call => call.Steered ?? []).Contains(new(9, lease.TaskId, 1, Delivered: false)),
            () => "not said");
        await File.WriteAllTextAsync(gate, "");
        Assert.Equal("completed", (await _dispatcher.ResultOfAsync(lease)).Outcome);
    }

    [Fact]
    public async Task The_environment_is_what_the_manual_lists_and_nothing_else()
    {
        var result = await _dispatcher.ResultOfAsync(_dispatcher.Enqueue("env", "the text"));
        var names = result.Result!.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(static line => line.Split('=')[0]).Order(StringComparer.Ordinal);
        Assert.Equal(
            [
                "HOME", "LANG", "PATH", "PWD", "SCARAB_AGENT_ID", "SCARAB_TASK", "TERM", "TINYTOWN_AGENT_ID", "TINYTOWN_AGENT_NAME", "TMPDIR",
                "TOWNHALL_AGENT_ID", "TOWNHALL_AGENT_NAME", "TOWNHALL_ATTEMPT", "TOWNHALL_PROMPT_FILE", "TOWNHALL_RESULT_FILE",
                "TOWNHALL_STEERING_FILE", "TOWNHALL_TASK_ID",
            ],
            names);
        Assert.DoesNotContain("canary", result.Result, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Commands_never_run_as_root_and_can_gain_nothing()
    {
        var result = await _dispatcher.ResultOfAsync(_dispatcher.Enqueue("sh", "id -u; grep -E 'NoNewPrivs|CapEff' /proc/self/status"));
        Assert.DoesNotContain("\n0\n", "\n" + result.Result, StringComparison.Ordinal);
        Assert.Contains("NoNewPrivs:\t1", result.Result, StringComparison.Ordinal);
        Assert.Contains("CapEff:\t0000000000000000", result.Result, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_work_folder_is_empty_at_the_start_and_gone_at_the_end()
    {
        var result = await _dispatcher.ResultOfAsync(_dispatcher.Enqueue(
            "sh", "ls -A | wc -l; mkdir -p a/b; echo x > a/b/c; ln -s /etc link; chmod 500 a/b a; echo ok"));
        Assert.Equal("0\nok\n", result.Result);
        await Eventually.TrueAsync(
            () => !Directory.EnumerateDirectories(host.Scratch.Folder, $"{result.Lease.TaskId:N}-*", SearchOption.AllDirectories).Any(), () => "it is there");
        Assert.True(Directory.Exists("/etc"));
    }

    [Fact]
    public async Task Standard_streams_are_no_terminal_and_can_be_opened_by_name()
    {
        var result = await _dispatcher.ResultOfAsync(_dispatcher.Enqueue("sh", "test -t 0 || test -t 1 || echo none; echo again > /dev/stdout; tty < /dev/stdin | head -1"));
        Assert.Equal("none\nagain\nnot a tty\n", result.Result);
    }
}

public sealed class SandboxedCommandResultTests(SandboxedWorker host) : CommandResultTests(host), IClassFixture<SandboxedWorker>;

public sealed class BareCommandResultTests(BareWorker host) : CommandResultTests(host), IClassFixture<BareWorker>;
