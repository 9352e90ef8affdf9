using Npgsql;
using Townhall.Testing;

namespace Townhall.AppHost.Tests.Hosts;

/// <summary>The host as a process, with real servers and services: what a person at a terminal relies on.</summary>
public sealed class HostProcessTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();
    private readonly HttpClient _http = new();
    private readonly CancellationToken _deadline = Deadline.Of(TimeSpan.FromSeconds(90));

    private string Data => _directory["town"];

    public void Dispose()
    {
        _http.Dispose();
        _directory.Dispose();
    }

    [Fact]
    public async Task A_town_starts_in_order_answers_stops_in_reverse_and_leaves_nothing()
    {
        await using var host = HostRun.Start(Data);
        var services = await host.ReadyAsync(_deadline);
        await WorkerRunsAsync(services[1]);
        var environment = await _http.GetStringAsync(new Uri(services[2], "/environment"), _deadline);
        Assert.Contains("ConnectionStrings__town-db=Host=127.0.0.1;", environment, StringComparison.Ordinal);
        Assert.Contains($"TOWN_LIFETIME_PIPE={Data}/host.lifetime", environment, StringComparison.Ordinal);
        OwnerOnly(Directory.GetFiles(Path.Combine(Data, "secrets")), expected: 2);

        host.Signal(Signals.Terminate);

        Assert.Equal(0, await host.EndedAsync(_deadline));
        Assert.Empty(Census.Of(Data));
        var steps = host.Lines.Where(static line => line.StartsWith("host ", StringComparison.Ordinal) && line.Contains("is healthy", StringComparison.Ordinal))
            .Select(static line => line.Split('|')[1].Trim().Split(' ')[0])
            .ToList();
        Assert.Equal(["first", "second", "third"], steps.TakeLast(3));
        var goodbyes = host.Lines.Where(static line => line.EndsWith("| goodbye", StringComparison.Ordinal)).Select(static line => line.Split(' ')[0]);
        Assert.Equal(["third", "second", "first"], goodbyes);
        Assert.Single(Directory.GetFiles(Data, "worker-*.drained"));
        Assert.Empty(Directory.GetFiles(Data, "worker-*.running"));
    }

    [Fact]
    public async Task A_host_that_is_killed_leaves_nothing_and_the_next_one_goes_on()
    {
        await using (var killed = HostRun.Start(Data))
        {
            var services = await killed.ReadyAsync(_deadline);
            await WorkerRunsAsync(services[1]);
            await ExecuteAsync(services[2], "CREATE TABLE kept AS SELECT 42 AS answer");

            killed.Signal(Signals.Kill);
            await killed.EndedAsync(_deadline);
            await Eventually.Is(() => Census.Of(Data), static left => left.Count == 0, _deadline, "every process to be gone");
        }

        await using var next = HostRun.Start(Data);
        var again = await next.ReadyAsync(_deadline);
        Assert.Equal(42, await ExecuteAsync(again[2], "SELECT answer FROM kept"));
        next.Signal(Signals.Terminate);
        Assert.Equal(0, await next.EndedAsync(_deadline));
    }

    [Fact]
    public async Task Servers_that_die_come_back_on_the_same_port()
    {
        await using var host = HostRun.Start(Data);
        var services = await host.ReadyAsync(_deadline);
        var postmaster = int.Parse(File.ReadLines(Path.Combine(Data, "postgres", "data", "postmaster.pid")).First(), provider: null);
        var redis = int.Parse(await File.ReadAllTextAsync(Path.Combine(Data, "redis", "redis.pid"), _deadline), provider: null);

        Signals.Send(postmaster, Signals.Kill);
        Signals.Send(redis, Signals.Kill);

        await Eventually.Holds(() => host.Lines.Count(static line => line.Contains("| redis is healthy", StringComparison.Ordinal)) == 2, _deadline);
        await Eventually.Holds(() => host.Lines.Count(static line => line.Contains("| postgres is healthy", StringComparison.Ordinal)) == 2, _deadline);
        Assert.Equal(1, await ExecuteAsync(services[2], "SELECT 1"));
        host.Signal(Signals.Terminate);
        Assert.Equal(0, await host.EndedAsync(_deadline));
        Assert.Empty(Census.Of(Data));
    }

    [Fact]
    public async Task A_service_that_crashes_is_started_again()
    {
        await using var host = HostRun.Start(Data, ("PROBE_SERVERS", "no"));
        var services = await host.ReadyAsync(_deadline);
        var before = await ProcessOfAsync(services[0]);

        Signals.Send(before, Signals.Kill);

        var after = await Eventually.Is(async () => await TryProcessOfAsync(services[0]), id => id is not null && id != before, _deadline);
        Assert.NotEqual(before, after);
        Assert.Contains(host.Lines, static line => line.Contains("third ended with exit code 137; it starts again in 0.5 s", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_second_host_on_the_same_data_refuses_in_one_line()
    {
        await using var first = HostRun.Start(Data, ("PROBE_SERVERS", "no"));
        await first.ReadyAsync(_deadline);

        await using var second = HostRun.Start(Data, ("PROBE_SERVERS", "no"));

        Assert.Equal(73, await second.EndedAsync(_deadline));
        var line = Assert.Single(await Eventually.Is(() => second.Lines, static lines => lines.Count > 0, _deadline));
        Assert.Equal($"townhall: {Data} is in use by another host (process {first.Id}); stop that one, or choose another directory with --data.", line);
    }

    [Fact]
    public async Task A_setup_that_fails_ends_the_start_and_says_which()
    {
        await using var host = HostRun.Start(Data, ("PROBE_SERVERS", "no"), ("PROBE_SETUP", "7"));

        Assert.Equal(1, await host.EndedAsync(_deadline));
        Assert.Contains(host.Lines, static line => line.Contains("setup ended with exit code 7; first and others wait for it to succeed.", StringComparison.Ordinal));
        Assert.Empty(Census.Of(Data));
    }

    [Fact]
    public async Task Postgres_lives_outside_when_its_user_cannot_reach_the_data()
    {
        if (Environment.UserName != "root")
        {
            return;     // then Postgres runs as whoever started the host, and reaches everything
        }

        var closed = Directory.CreateDirectory(_directory["closed"], UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var outside = Directory.CreateDirectory(_directory["outside"]);
        var data = Path.Combine(closed.FullName, "town");
        for (var start = 1; start <= 2; start++)
        {
            await using var host = HostRun.Start(data, ("TOWN_POSTGRES_ROOT", outside.FullName));
            var services = await host.ReadyAsync(_deadline);
            Assert.Equal(start - 1L, await ExecuteAsync(services[2], "SELECT count(*) FROM pg_tables WHERE tablename = 'kept'"));
            await ExecuteAsync(services[2], "CREATE TABLE IF NOT EXISTS kept (answer int)");
            host.Signal(Signals.Terminate);
            Assert.Equal(0, await host.EndedAsync(_deadline));
            Assert.Equal(start == 1, host.Lines.Any(static line => line.Contains("Postgres keeps its data in", StringComparison.Ordinal)));
        }

        Assert.Single(outside.GetDirectories());
    }

    private static void OwnerOnly(IReadOnlyCollection<string> files, int expected)
    {
        Assert.Equal(expected, files.Count);
        Assert.All(files, static file => Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file)));
    }

    private Task WorkerRunsAsync(Uri second) =>
        Eventually.Is(async () => await _http.GetStringAsync(new Uri(second, "/workers"), _deadline), static count => count == "1", _deadline);

    private async Task<int> ProcessOfAsync(Uri service) =>
        int.Parse(await _http.GetStringAsync(new Uri(service, "/pid"), _deadline), provider: null);

    private async Task<int?> TryProcessOfAsync(Uri service)
    {
        try
        {
            return await ProcessOfAsync(service);
        }
        catch (HttpRequestException)
        {
            return null;
        }
    }

    /// <summary>One statement with the connection string that a service was given.</summary>
    private async Task<object?> ExecuteAsync(Uri service, string sql)
    {
        var environment = await _http.GetStringAsync(new Uri(service, "/environment"), _deadline);
        var connectionString = environment.Split('\n').Single(static line => line.StartsWith("ConnectionStrings__town-db=", StringComparison.Ordinal)).Split('=', 2)[1];
        await using var connection = new NpgsqlConnection($"{connectionString};Pooling=false");
        await connection.OpenAsync(_deadline);
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync(_deadline);
    }
}
