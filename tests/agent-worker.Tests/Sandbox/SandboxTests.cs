using System.Net;
using System.Net.Sockets;
using Townhall.Contracts.Workers;
using Townhall.Worker.Tests.Harness;

namespace Townhall.Worker.Tests.Sandbox;

public sealed class SandboxTests(SandboxedWorker host) : IClassFixture<SandboxedWorker>
{
    private readonly FakeDispatcher _dispatcher = host.Dispatcher;

    [Theory]
    [InlineData("cat /etc/shadow")]
    [InlineData("ls /root /home")]
    [InlineData("ls /var")]
    [InlineData("cat /proc/1/environ /proc/1/root/etc/shadow")]
    [InlineData("echo x > /usr/x")]
    [InlineData("echo x > /x")]
    [InlineData("mkdir /run/townhall/other")]
    [InlineData("echo x > /dev/x")]
    [InlineData("mkdir m && mount -t tmpfs none m")]
    [InlineData("unshare --user --map-root-user true")]
    [InlineData("chown root .")]
    [InlineData("kill -9 1 && sleep 0.1 && kill -0 1 && false")]
    public async Task What_is_not_granted_fails(string script)
    {
        var result = await RunAsync(script);
        Assert.Equal(("failed", "bubblewrap"), (result.Outcome, result.Sandbox));
    }

    [Fact]
    public async Task The_data_of_the_town_and_of_other_tasks_is_not_there()
    {
        Assert.True(Directory.Exists(Path.Combine(host.Scratch.Folder, "work")));
        Assert.Equal("failed", (await RunAsync($"ls {host.Scratch.Folder}")).Outcome);
        Assert.Equal("completed", (await RunAsync("test -z \"$(find / -xdev -name '*-1' -path '*work*' 2>/dev/null)\"")).Outcome);
    }

    [Fact]
    public async Task A_grant_around_the_data_of_the_town_shows_all_but_that_data()
    {
        var around = host.Scratch.Root;
        var script = $"ls {around} | grep -q {Path.GetFileName(host.Scratch.Folder)} && ls -A {host.Scratch.Folder} > \"$TOWNHALL_RESULT_FILE\"";
        foreach (var grant in (AgentGrant[])[new("none", [around], [], null), new("none", [], [around], null), new("none", [around, host.Scratch.Folder], [], null)])
        {
            var result = await _dispatcher.ResultOfAsync(_dispatcher.Enqueue("sh", script, grant: grant));
            Assert.Equal(("completed", ""), (result.Outcome, result.Result));
        }
    }

    [Fact]
    public async Task Only_its_own_processes_are_seen()
    {
        var result = await RunAsync("ls -d /proc/[0-9]* | wc -l");
        Assert.InRange(int.Parse(result.Result!, System.Globalization.CultureInfo.InvariantCulture), 1, 8);
    }

    [Fact]
    public async Task Without_a_grant_there_is_no_network_and_with_one_there_is()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        var script = $"exec 3<>/dev/tcp/127.0.0.1/{port}";
        Assert.Equal("failed", (await _dispatcher.ResultOfAsync(_dispatcher.Enqueue("bash", script))).Outcome);
        Assert.False(listener.Pending());
        var granted = await _dispatcher.ResultOfAsync(_dispatcher.Enqueue("bash", script, grant: new("host", [], [], null)));
        Assert.Equal("completed", granted.Outcome);
        Assert.True(listener.Pending());
    }

    [Fact]
    public async Task A_grant_opens_what_it_names_for_what_it_says()
    {
        var read = host.Scratch.Shared("read");
        var write = host.Scratch.Shared("write");
        await File.WriteAllTextAsync(Path.Combine(read, "seen"), "from outside");
        var result = await RunAsync(
            $"pwd; cat {read}/seen; echo x > {read}/no && exit 1; echo from inside > made; ls {host.Scratch.Root}", new("none", [read], [write], write));
        Assert.Equal(("completed", $"{write}\nfrom outside" + "read\nwrite\n"), (result.Outcome, result.Result));
        Assert.Equal("from inside\n", await File.ReadAllTextAsync(Path.Combine(write, "made")));
    }

    [Fact]
    public async Task A_folder_for_writing_inside_one_for_reading_can_be_written()
    {
        var outer = host.Scratch.Shared("outer");
        var inner = host.Scratch.Shared("outer/inner");
        var result = await RunAsync($"echo x > {inner}/y && ! echo x > {outer}/y", new("none", [outer], [inner], null));
        Assert.Equal("completed", result.Outcome);
    }

    [Fact]
    public async Task A_grant_of_something_that_is_not_there_says_so()
    {
        var result = await RunAsync("true", new("none", ["/no/such/folder"], [], null));
        Assert.Equal("start_failed", result.FailureCode);
        Assert.Contains("/no/such/folder", result.FailureDetail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Memory_of_a_process_is_bounded_and_a_command_is_the_first_to_go_when_there_is_none()
    {
        Assert.Equal("1000\n", (await RunAsync("cat /proc/self/oom_score_adj")).Result);
        Assert.Equal("bounded\n", (await RunAsync("test \"$(ulimit -d)\" != unlimited && echo bounded")).Result);
    }

    [Fact]
    public async Task The_temp_folder_is_bounded_and_its_own()
    {
        Assert.Equal("completed", (await RunAsync("test -z \"$(ls -A /tmp)\" && echo x > /tmp/x && echo x > $TMPDIR/y")).Outcome);
        Assert.Equal("failed", (await RunAsync("head -c 1100M /dev/zero > /tmp/x")).Outcome);
    }

    [Fact]
    public async Task Git_works_in_a_granted_folder_of_somebody_else()
    {
        var repository = host.Scratch.Shared("repository");
        using (var git = System.Diagnostics.Process.Start("git", ["init", "-q", repository]))
        {
            await git.WaitForExitAsync();
        }

        var result = await RunAsync("git status --porcelain && git config --get-all safe.directory", new("none", [repository], [], repository));
        Assert.Equal(("completed", repository + "\n"), (result.Outcome, result.Result));
    }

    [Fact]
    public async Task A_key_reaches_only_the_preset_that_asks_for_it()
    {
        Assert.DoesNotContain("canary", (await RunAsync("env; cat /proc/*/environ")).Result, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("untrusted")]
    [InlineData("sandboxed")]
    [InlineData("privileged")]
    [InlineData("some-new-level")]
    public async Task Every_trust_level_runs_in_the_sandbox_where_there_is_one(string trust) =>
        Assert.Equal(("completed", "bubblewrap"), await OutcomeAsync(trust));

    private async Task<(string, string)> OutcomeAsync(string trust)
    {
        var result = await _dispatcher.ResultOfAsync(_dispatcher.Enqueue("true", "x", trust: trust));
        return (result.Outcome, result.Sandbox);
    }

    private Task<AttemptResult> RunAsync(string script, AgentGrant? grant = null) =>
        _dispatcher.ResultOfAsync(_dispatcher.Enqueue("sh", script, grant: grant));
}

public sealed class NoSandboxTests(BareWorker host) : IClassFixture<BareWorker>
{
    [Theory]
    [InlineData("untrusted", "failed", "sandbox_unavailable")]
    [InlineData("sandboxed", "failed", "sandbox_unavailable")]
    [InlineData("some-new-level", "failed", "sandbox_unavailable")]
    [InlineData("trusted", "completed", null)]
    [InlineData("privileged", "completed", null)]
    public async Task Without_a_sandbox_only_trusted_agents_run_and_the_result_says_so(string trust, string outcome, string? failure)
    {
        var result = await host.Dispatcher.ResultOfAsync(host.Dispatcher.Enqueue("true", "x", trust: trust));
        Assert.Equal((outcome, failure, "none"), (result.Outcome, result.FailureCode, result.Sandbox));
    }

    [Fact]
    public async Task The_worker_says_at_registration_that_it_has_none()
    {
        var registered = await Eventually.SeesAsync(() => host.Dispatcher.Registrations.FirstOrDefault(), "a registration");
        Assert.Equal("none", registered.Sandbox);
    }
}
