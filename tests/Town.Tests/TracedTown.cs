using System.Text;
using System.Text.Json;
using Townhall.Testing;

namespace Townhall.Town.Tests;

/// <summary>townhall, dispatcher and a worker that send what they trace and measure to a collector of the test's own.</summary>
internal sealed class TracedTown : IAsyncDisposable
{
    private readonly Stack<IAsyncDisposable> _parts = new();
    private readonly string _folder = Directory.CreateTempSubdirectory("townhall-trace-").FullName;
    private ServiceProcess? _townhall;
    private KeptProcess? _worker;

    private TracedTown()
    {
    }

    public TraceReceiver Receiver { get; private set; } = null!;

    public HttpClient Client => _townhall!.Client;

    public string WorkerLog => _worker!.Log;

    public static async Task<TracedTown> StartAsync(CancellationToken deadline)
    {
        var town = new TracedTown();
        try
        {
            await town.BeginAsync(deadline);
            return town;
        }
        catch
        {
            await town.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        while (_parts.TryPop(out var part))
        {
            await part.DisposeAsync();
        }

        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>Calls as somebody who traces, under the trace of that id.</summary>
    public async Task<JsonElement> PostAsync(string path, string json, string trace, CancellationToken deadline)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(path, UriKind.Relative))
        {
            Content = new StringContent(json, Encoding.UTF8, "application/json"),
        };
        request.Headers.Add("traceparent", $"00-{trace}-00f067aa0ba902b7-01");
        using var answer = await Client.SendAsync(request, deadline);
        answer.EnsureSuccessStatusCode();
        return await ReadAsync(answer, deadline);
    }

    /// <summary>Waits until a task has ended.</summary>
    public async Task<JsonElement> EndedAsync(string task, CancellationToken deadline) => await Eventually.Is(
        async () =>
        {
            using var answer = await Client.GetAsync(new Uri($"/v1/tasks/{task}", UriKind.Relative), deadline);
            return await ReadAsync(answer, deadline);
        },
        static one => one.GetProperty("state").GetString() is "completed" or "failed", deadline, "the task to end");

    private async Task BeginAsync(CancellationToken deadline)
    {
        Receiver = Keep(TraceReceiver.Start());
        var postgres = Keep(await PostgresServer.StartOwnAsync(deadline));
        var redis = Keep(await RedisInstance.StartAsync(deadline));
        var settings = Keep(await PostgresServer.CopyAsync(postgres, deadline)).Settings(redis);
        settings["TOWN_WORKER_KEY_FILE"] = Path.Combine(_folder, "worker-key");
        await File.WriteAllTextAsync(settings["TOWN_WORKER_KEY_FILE"], new string('k', 64), deadline);
        settings["OTEL_EXPORTER_OTLP_ENDPOINT"] = Receiver.Address;
        settings["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf";
        settings["OTEL_BSP_SCHEDULE_DELAY"] = "100";
        settings["OTEL_METRIC_EXPORT_INTERVAL"] = "500";
        _townhall = Keep(await ServiceProcess.StartAsync("services/townhall", settings, deadline));
        var dispatcher = Keep(await ServiceProcess.StartAsync("services/dispatcher", settings, deadline));
        settings["TOWN_DISPATCHER_URL"] = dispatcher.Address.ToString();
        settings["TOWN_WORKER_NAME"] = "traced";
        settings["TOWN_DATA"] = _folder;
        _worker = Keep(await KeptProcess.StartAsync("services/agent-worker", Programs.Dotnet(), [Programs.Built("services/agent-worker")], settings));
    }

    private T Keep<T>(T part)
        where T : IAsyncDisposable
    {
        _parts.Push(part);
        return part;
    }

    private static async Task<JsonElement> ReadAsync(HttpResponseMessage answer, CancellationToken deadline)
    {
        using var document = JsonDocument.Parse(await answer.Content.ReadAsStringAsync(deadline));
        return document.RootElement.Clone();
    }
}
