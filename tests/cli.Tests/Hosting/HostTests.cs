using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Townhall.Cli.Tests.Harness;
using Townhall.Testing;

namespace Townhall.Cli.Tests.Hosting;

/// <summary>With a program that holds a data folder as a host does; the town itself is played.</summary>
public sealed class HostTests : IDisposable
{
    private const string HostProgram = """
        #!/bin/sh
        exec 9>"$TOWN_DATA/host.lock"
        echo "the host speaks"
        trap 'exit 0' TERM
        mkdir -p "$TOWN_DATA/logs" && printf 'one\ntwo\n' >"$TOWN_DATA/logs/scaler.log"
        echo $$ >"$TOWN_DATA/host.pid"
        while :; do sleep 0.05; done
        """;

    private readonly TemporaryFolder _folder = new();

    private string Data => Path.Combine(_folder.Path, "data");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_town_goes_up_once_is_found_and_goes_down()
    {
        await using var town = await FakeTown.StartAsync(app => app.MapGet("/ready", () => File.Exists(Path.Combine(Data, "host.pid"))
            ? FakeTown.Json("""{"status":"ready","redis":"connected"}""")
            : FakeTown.Json("""{"status":"not_ready","redis":"unknown"}""", 503)));
        var port = new Uri(town.Address).Port.ToString(CultureInfo.InvariantCulture);
        var (up, again, logs, down, gone) = (new TestTerminal(), new TestTerminal(), new TestTerminal(), new TestTerminal(), new TestTerminal());
        Assert.Equal(0, await up.RunAsync("up", "--json", "--host", Program(HostProgram), "--data", Data, "--port", port));
        Assert.Equal("ready", Word(up, "state"));
        Assert.Equal("the host speaks\n", await File.ReadAllTextAsync(Path.Combine(Data, "host.log")));
        try
        {
            Assert.Equal(0, await again.RunAsync("up", "--json", "--data", Data, "--port", port));
            Assert.Equal("already_up", Word(again, "state"));
            Assert.Equal(0, await logs.RunAsync("logs", "--data", Data));
            Assert.Equal("host    the host speaks\nscaler  one\nscaler  two\n", logs.Out);
            Assert.Equal(3, await logs.RunAsync("logs", "scalr", "--data", Data));
            Assert.Contains("Did you mean scaler?", logs.Error, StringComparison.Ordinal);
        }
        finally
        {
            Assert.Equal(0, await down.RunAsync("down", "--json", "--data", Data));
        }

        Assert.Equal("stopped", Word(down, "state"));
        Assert.Equal(0, await gone.RunAsync("down", "--json", "--data", Data));
        Assert.Equal("not_up", Word(gone, "state"));
    }

    [Fact]
    public async Task A_host_that_ends_is_not_waited_for_and_its_words_are_shown()
    {
        var terminal = new TestTerminal();
        Assert.Equal(1, await terminal.RunAsync(
            "up", "--host", Program("#!/bin/sh\necho 'no disk left' >&2\nexit 73\n"), "--data", Data, "--port", Ports.Free().ToString(CultureInfo.InvariantCulture)));
        Assert.StartsWith("host_ended: The host ended with 73 before the town was ready.", terminal.Error, StringComparison.Ordinal);
        Assert.Contains("no disk left", terminal.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_port_of_another_town_is_left_to_it()
    {
        await using var town = await FakeTown.StartAsync(static app => app.MapGet("/ready", static () => FakeTown.Json("""{"status":"ready","redis":"connected"}""")));
        var terminal = new TestTerminal();
        Assert.Equal(5, await terminal.RunAsync(
            "up", "--host", Program(HostProgram), "--data", Data, "--port", new Uri(town.Address).Port.ToString(CultureInfo.InvariantCulture)));
        Assert.StartsWith("port_taken: ", terminal.Error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(Data));
    }

    [Fact]
    public async Task Without_a_host_program_it_says_how_to_name_one()
    {
        var terminal = new TestTerminal();
        Assert.Equal(3, await terminal.RunAsync("up", "--host", "/nowhere/host", "--data", Data, "--port", Ports.Free().ToString(CultureInfo.InvariantCulture)));
        Assert.StartsWith("no_host: ", terminal.Error, StringComparison.Ordinal);
    }

    private string Program(string text)
    {
        var path = _folder.Write("host", text);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return path;
    }

    private static string? Word(TestTerminal terminal, string member) => JsonDocument.Parse(terminal.Out).RootElement.GetProperty(member).GetString();
}
