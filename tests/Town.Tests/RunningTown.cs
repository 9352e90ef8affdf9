using System.Globalization;
using System.Text;
using Townhall.Testing;

namespace Townhall.Town.Tests;

/// <summary>One town, started as <c>./run</c> starts it, with short leases and an empty data folder of its own.</summary>
public sealed class RunningTown : IAsyncLifetime
{
    private readonly string _data = Directory.CreateTempSubdirectory("town-").FullName;
    private readonly int _port = Ports.Free();
    private KeptProcess? _host;

    /// <summary>The public port and nothing else.</summary>
    public TownClient Client { get; private set; } = null!;

    public KeptProcess Host => _host!;

    public async Task InitializeAsync()
    {
        await StartAsync(Deadline.Of(TimeSpan.FromMinutes(2)));
        Client = new TownClient(_port);
    }

    public async Task StartAsync(CancellationToken deadline)
    {
        // Reachable for the database's own user, as a person's folder would have to be.
        File.SetUnixFileMode(_data, (UnixFileMode)0b111_101_101);
        var program = Path.Combine(Programs.Repository(), "AppHost", "bin", Programs.Configuration(), "net10.0", "AppHost");
        _host = await KeptProcess.StartAsync("host", program, [], new Dictionary<string, string>
        {
            ["TOWN_PORT"] = _port.ToString(CultureInfo.InvariantCulture),
            ["TOWN_DATA"] = _data,
            ["TOWN_ROOT"] = Programs.Repository(),
            ["TOWN_LEASE_SECS"] = "4",
            ["TOWN_REAPER_SECS"] = "0.5",
            ["TOWN_IDLE_TIMEOUT_SECS"] = "2",
            ["TOWN_SCALE_DOWN_QUIET_SECS"] = "1",
            ["TOWN_MAX_WORKERS"] = "2",
            ["TOWN_MAX_AGENTS"] = "1000",
            ["NO_COLOR"] = "1",
        });
        await Eventually.Is(
            () => Task.FromResult(_host.HasExited ? "ended: " + _host.Log : _host.Log),
            static log => log.Contains("townhall is ready at", StringComparison.Ordinal) || log.StartsWith("ended", StringComparison.Ordinal),
            deadline);
        Assert.False(_host.HasExited, _host.Log);
    }

    /// <summary>Processes of this town that run a program, found by the folder that only they know.</summary>
    public int[] Pids(string program) =>
        [.. Processes().Where(one => one.Command.Contains(program, StringComparison.Ordinal)).Select(static one => one.Pid)];

    /// <summary>Everything that lives of this town, the host included.</summary>
    public IReadOnlyList<(int Pid, string Command)> Processes() => Matching(_data);

    /// <summary>What lives with <paramref name="mark"/> in its command line or environment. Agents' commands do not know the town's
    /// folder; a test gives them a mark of their own.</summary>
    public static IReadOnlyList<(int Pid, string Command)> Matching(string mark) =>
        [.. Directory.EnumerateDirectories("/proc")
            .Select(static folder => Path.GetFileName(folder))
            .Where(static name => name.All(char.IsAsciiDigit))
            .Select(static name => int.Parse(name, CultureInfo.InvariantCulture))
            .Where(Signals.Alive)
            .Select(static pid => (pid, Command: Read(pid, "cmdline"), Environment: Read(pid, "environ")))
            .Where(one => one.Environment.Contains(mark, StringComparison.Ordinal) || one.Command.Contains(mark, StringComparison.Ordinal))
            .Select(static one => (one.pid, one.Command))];

    public async Task DisposeAsync()
    {
        Client.Dispose();
        if (_host is { HasExited: false })
        {
            await _host.StopAsync(Deadline.Of(TimeSpan.FromSeconds(40)));
        }

        await _host!.DisposeAsync();
        Directory.Delete(_data, recursive: true);
    }

    private static string Read(int pid, string file)
    {
        try
        {
            return Encoding.UTF8.GetString(File.ReadAllBytes($"/proc/{pid}/{file}")).Replace('\0', ' ');
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return "";      // it ended while we looked
        }
    }
}

/// <summary>One town for all tests of a class's cases, one after the other.</summary>
[CollectionDefinition(nameof(TownCollection), DisableParallelization = true)]
public sealed class TownCollection : ICollectionFixture<RunningTown>;
