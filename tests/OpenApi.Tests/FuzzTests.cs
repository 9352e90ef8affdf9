using System.Globalization;
using System.Text;
using System.Text.Json;
using Townhall.Fuzzing;
using Townhall.Testing;

namespace Townhall.OpenApi.Tests;

/// <summary>The short set; <c>TOWN_FUZZ_SEED</c> chooses the requests. docs/openapi/README.md names the command for the full one.</summary>
public sealed class FuzzTests : IAsyncLifetime
{
    private static readonly int Seed =
        int.TryParse(Environment.GetEnvironmentVariable("TOWN_FUZZ_SEED"), CultureInfo.InvariantCulture, out var seed) ? seed : 1;

    private readonly CancellationToken _deadline = Deadline.Of(TimeSpan.FromMinutes(4));
    private FuzzTown? _town;

    public async Task InitializeAsync() => _town = await FuzzTown.StartAsync(_deadline);

    public async Task DisposeAsync() => await _town!.DisposeAsync();

    [Fact]
    public async Task No_request_whatever_it_holds_is_answered_otherwise_than_described()
    {
        var report = await new FuzzRun(_town!, new(Seed, Valid: 1500, Mutated: 4500)).RunAsync(_deadline);
        var raw = await MalformedRun.RunAsync(_town!, Seed, 400, _deadline);
        string[] failures = [.. report.Failures, .. raw.Failures];
        Assert.True(failures.Length == 0, $"{failures.Length} failures\n{string.Join('\n', failures.Take(20))}");
        Assert.True(report.Statuses[200] + report.Statuses[201] > 1000, "Hardly anything succeeded: this run proves little.");
    }

    [Fact]
    public async Task The_stream_of_events_carries_what_is_described()
    {
        var client = _town!.Edge.Client;
        using var body = new StringContent("""{"name":"told","cli":"noop"}""", Encoding.UTF8, "application/json");
        (await client.PostAsync(new Uri("/v1/agents", UriKind.Relative), body, _deadline)).EnsureSuccessStatusCode();

        await using var stream = await client.GetStreamAsync(new Uri("/events?after=0", UriKind.Relative), _deadline);
        using var lines = new StreamReader(stream);
        while (await lines.ReadLineAsync(_deadline) is { } line)
        {
            if (line.StartsWith("data: ", StringComparison.Ordinal))
            {
                using var data = JsonDocument.Parse(line["data: ".Length..]);
                var schema = ApiDocument.Current.Root.GetProperty("components").GetProperty("schemas").GetProperty("LedgerEvent");
                Assert.Empty(ApiDocument.Current.Validator.Faults(schema, data.RootElement, closed: false));
                Assert.Equal("AgentSpawned", data.RootElement.GetProperty("action").GetString());
                return;
            }
        }

        Assert.Fail("The stream ended without an event.");
    }
}
