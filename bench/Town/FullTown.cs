using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;
using Townhall.Bench.Proc;
using Townhall.Testing;

namespace Townhall.Bench.Town;

/// <summary>The whole town as one command brings it up: the host starts every service, the servers and, when there is work, workers.</summary>
internal sealed class FullTown : IAsyncDisposable
{
    private readonly string _folder;
    private readonly KeptProcess _host;

    private FullTown(string folder, KeptProcess host, int port)
    {
        (_folder, _host) = (folder, host);
        Client = new HttpClient(new SocketsHttpHandler { UseProxy = false })
        {
            BaseAddress = new Uri($"http://127.0.0.1:{port.ToString(CultureInfo.InvariantCulture)}"),
        };
    }

    /// <summary>Calls through the edge, as everybody outside does.</summary>
    public HttpClient Client { get; }

    public static async Task<FullTown> StartAsync(Options options, IReadOnlyDictionary<string, string> settings, CancellationToken deadline)
    {
        Report.Progress("starting a whole town");
        var folder = Path.Combine(options.Data, $"townhall-bench-{Guid.CreateVersion7():N}");
        Directory.CreateDirectory(folder);
        var port = Ports.Free();
        var environment = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["TOWN_PORT"] = port.ToString(CultureInfo.InvariantCulture),
            ["TOWN_DATA"] = Path.Combine(folder, "town"),
            ["TOWN_ROOT"] = folder,
            ["TOWN_MAX_AGENTS"] = "1000000",
            // The host's program looks for the runtime in the usual places only.
            ["DOTNET_ROOT"] = Environment.GetEnvironmentVariable("DOTNET_ROOT")
                ?? Path.GetDirectoryName(File.ResolveLinkTarget(Programs.Dotnet(), returnFinalTarget: true)?.FullName ?? Programs.Dotnet())!,
        };
        foreach (var (name, value) in settings.Concat(options.Environment))
        {
            environment[name] = value;
        }

        // The program itself, as the start script runs it; beside it lie those of the services it refers to.
        var program = Path.Combine(Programs.Repository(), "AppHost", "bin", Programs.Configuration(), "net10.0", "AppHost");
        var town = new FullTown(folder, await KeptProcess.StartAsync("the town's host", program, [], environment, deathSignal: "INT"), port);
        try
        {
            await Eventually.Holds(
                () => town._host.HasExited || town._host.Log.Contains("townhall is ready at", StringComparison.Ordinal), deadline, "the town to be ready");
            return town._host.HasExited ? throw new NotMeasuredException($"The host ended: {town._host.Log}") : town;
        }
        catch (Exception failure) when (failure is EventuallyException or NotMeasuredException)
        {
            await town.DisposeAsync();
            throw new NotMeasuredException($"{failure.Message}\n{town._host.Log}");
        }
    }

    /// <summary>The host and everything below it.</summary>
    public IReadOnlyList<(string Name, int Pid)> Processes()
    {
        var rows = ProcessTable.Read();
        return [.. ProcessTable.Tree(rows, _host.Pid).Select(pid => (NameOf(rows[pid].Program, ProcessTable.CommandLine(pid)), pid))];
    }

    public bool HasWorker() => Processes().Any(static one => one.Name.Contains("AgentWorker", StringComparison.Ordinal));

    public CpuMeter StartCpuMeter()
    {
        var meter = new CpuMeter([("town", _host.Pid)], TimeProvider.System);
        meter.Start();
        return meter;
    }

    public async Task SpawnAsync(string name, string cli, CancellationToken deadline)
    {
        using var spawned = await Client.PostAsJsonAsync(new Uri("/v1/agents", UriKind.Relative), new { name, cli }, deadline);
        if (!spawned.IsSuccessStatusCode)
        {
            throw new NotMeasuredException($"Agent {name} was refused: {await spawned.Content.ReadAsStringAsync(deadline)}");
        }
    }

    public async Task<Guid> AssignAsync(string agent, string task, CancellationToken deadline)
    {
        using var answer = await Client.PostAsJsonAsync(new Uri("/v1/tasks/assign", UriKind.Relative), new { agent, task }, deadline);
        var body = await answer.Content.ReadAsByteArrayAsync(deadline);
        return Load.Answer.TaskId(body);
    }

    /// <summary>The task once it is completed.</summary>
    public async Task<JsonElement> CompletedAsync(Guid task, CancellationToken deadline)
    {
        var path = new Uri($"/v1/tasks/{task:D}", UriKind.Relative);
        var ended = await Eventually.Is(
            () => Client.GetFromJsonAsync<JsonElement>(path, deadline), static view => view.GetProperty("completed_at").ValueKind == JsonValueKind.String,
            deadline, $"task {task} to end");
        return ended.GetProperty("state").GetString() == "completed" ? ended : throw new NotMeasuredException($"The task ended as {ended}.");
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        // SIGINT as a person's Ctrl-C: it ends its services in order.
        _host.Signal(2);
        await _host.ExitAsync(Deadline.Of(TimeSpan.FromSeconds(60)));
        await _host.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>The assembly of a .NET process, the role of a Postgres process, the program of any other.</summary>
    private static string NameOf(string program, string commandLine)
    {
        if (commandLine.StartsWith("postgres: ", StringComparison.Ordinal))
        {
            return string.Join(' ', commandLine.Split(' ').Take(3).Select(static word => word.TrimEnd(':')));
        }

        var assembly = commandLine.Split(' ').FirstOrDefault(static word => word.EndsWith(".dll", StringComparison.Ordinal));
        return Path.GetFileName(assembly ?? commandLine.Split(' ')[0]) is { Length: > 0 } name ? name : program;
    }
}
