using System.Text;
using System.Text.Json;
using Townhall.Testing;

namespace Townhall.Town.Tests;

/// <summary>From the call to the settlement, through three processes and a command, is one trace.</summary>
public sealed class TraceTests
{
    private const string Trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    private readonly CancellationToken _deadline = Deadline.Of(TimeSpan.FromSeconds(120));

    [Fact]
    public async Task A_task_is_one_trace_from_the_call_to_its_settlement_and_its_command_can_go_on_with_it()
    {
        await using var receiver = TraceReceiver.Start();
        await using var postgres = await PostgresServer.StartOwnAsync(_deadline);
        await using var redis = await RedisInstance.StartAsync(_deadline);
        await using var database = await PostgresServer.CopyAsync(postgres, _deadline);
        using var folder = new Folder();
        var settings = database.Settings(redis);
        settings["TOWN_WORKER_KEY_FILE"] = folder.KeyFile;
        settings["OTEL_EXPORTER_OTLP_ENDPOINT"] = receiver.Address;
        settings["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf";
        settings["OTEL_BSP_SCHEDULE_DELAY"] = "100";
        await using var townhall = await ServiceProcess.StartAsync("services/townhall", settings, _deadline);
        await using var dispatcher = await ServiceProcess.StartAsync("services/dispatcher", settings, _deadline);
        settings["TOWN_DISPATCHER_URL"] = dispatcher.Address.ToString();
        settings["TOWN_WORKER_NAME"] = "traced";
        settings["TOWN_DATA"] = folder.Path;
        await using var worker = await KeptProcess.StartAsync(
            "services/agent-worker", Programs.Dotnet(), [Programs.Built("services/agent-worker")], settings);

        await PostAsync(townhall.Client, "/v1/agents", """{"name":"ann","cli":"sh"}""");
        var task = (await PostAsync(townhall.Client, "/v1/tasks/assign", """{"agent":"ann","task":"echo \"$TRACEPARENT\""}""")).GetProperty("task_id").GetString()!;
        var ended = await Eventually.Is(
            async () => await GetAsync(townhall.Client, $"/v1/tasks/{task}"),
            static one => one.GetProperty("state").GetString() is "completed" or "failed", _deadline, "the task to end");
        Assert.True(ended.GetProperty("state").GetString() == "completed", $"{ended}\n{worker.Log}");

        // What each process said of this trace: the settlement comes last, and its batch a moment later.
        var (spans, _) = await Eventually.Is(
            () => Task.FromResult(new Seen([.. receiver.Spans.Where(static span => span.Trace == Trace)], receiver.Spans.Count)),
            static seen => Steps.All(step => seen.Spans.Any(span => span.Name == step)) && seen.Spans.Any(static span => span.Service == "Townhall.Api"),
            _deadline, "all spans to arrive");
        var settle = spans.Single(static span => span.Name == "task.settle");
        var attempt = spans.Single(static span => span.Name == "task.attempt");
        var lease = spans.Single(static span => span.Name == "task.lease");
        Assert.Equal((attempt.Id, "Townhall.Dispatcher"), (settle.Parent, settle.Service));
        Assert.Equal((lease.Id, "agent-worker"), (attempt.Parent, attempt.Service));
        Assert.Equal("Townhall.Dispatcher", lease.Service);
        var call = spans.Single(span => span.Id == lease.Parent);
        Assert.Equal("Townhall.Api", call.Service);
        Assert.Equal($"00-{Trace}-{attempt.Id}-01", ended.GetProperty("result").GetString()!.Trim());
    }

    private sealed record Seen(Span[] Spans, int InAll)
    {
        public override string ToString() => $"{string.Join(", ", Spans.Select(static span => $"{span.Service} {span.Name}"))} of {InAll}";
    }

    private static readonly string[] Steps = ["task.lease", "task.attempt", "task.settle"];

    private async Task<JsonElement> PostAsync(HttpClient client, string path, string json)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(path, UriKind.Relative))
        {
            Content = new StringContent(json, Encoding.UTF8, "application/json"),
        };
        request.Headers.Add("traceparent", $"00-{Trace}-00f067aa0ba902b7-01");
        using var answer = await client.SendAsync(request, _deadline);
        answer.EnsureSuccessStatusCode();
        return await ReadAsync(answer);
    }

    private async Task<JsonElement> GetAsync(HttpClient client, string path)
    {
        using var answer = await client.GetAsync(new Uri(path, UriKind.Relative), _deadline);
        return await ReadAsync(answer);
    }

    private async Task<JsonElement> ReadAsync(HttpResponseMessage answer)
    {
        using var document = JsonDocument.Parse(await answer.Content.ReadAsStringAsync(_deadline));
        return document.RootElement.Clone();
    }

    private sealed class Folder : IDisposable
    {
        public Folder()
        {
            Path = Directory.CreateTempSubdirectory("townhall-trace-").FullName;
            KeyFile = System.IO.Path.Combine(Path, "worker-key");
            File.WriteAllText(KeyFile, new string('k', 64));
        }

        public string Path { get; }

        public string KeyFile { get; }

        public void Dispose() => Directory.Delete(Path, recursive: true);
    }
}
