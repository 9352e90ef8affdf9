using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Townhall.Ledger;

namespace Townhall.Town.Tests;

/// <summary>Speaks to a town as any client would: HTTP on its public port.</summary>
public sealed class TownClient(int port) : IDisposable
{
    public HttpClient Http { get; } = new() { BaseAddress = new Uri($"http://127.0.0.1:{port}"), Timeout = TimeSpan.FromSeconds(15) };

    public async Task<Guid> SpawnAsync(string name, string cli, CancellationToken deadline, int concurrency = 1)
    {
        using var answer = await Http.PostAsJsonAsync("/v1/agents", new { name, cli, max_concurrency = concurrency }, deadline);
        Assert.True(answer.StatusCode == HttpStatusCode.Created, await answer.Content.ReadAsStringAsync(deadline));
        return (await BodyAsync(answer, deadline)).GetProperty("agent_id").GetGuid();
    }

    public async Task<Guid> AssignAsync(string agent, string task, CancellationToken deadline)
    {
        using var answer = await Http.PostAsJsonAsync("/v1/tasks/assign", new { agent, task }, deadline);
        Assert.True(answer.StatusCode == HttpStatusCode.Created, await answer.Content.ReadAsStringAsync(deadline));
        return (await BodyAsync(answer, deadline)).GetProperty("task_id").GetGuid();
    }

    public Task<JsonElement> TaskAsync(Guid id, CancellationToken deadline) => GetAsync($"/v1/tasks/{id}", deadline);

    public async Task<JsonElement> GetAsync(string path, CancellationToken deadline)
    {
        using var answer = await Http.GetAsync(new Uri(path, UriKind.Relative), deadline);
        Assert.True(answer.IsSuccessStatusCode, $"{path}: {answer.StatusCode} {await answer.Content.ReadAsStringAsync(deadline)}");
        return await BodyAsync(answer, deadline);
    }

    /// <summary>Null while the town cannot answer, as when one of its services was just killed.</summary>
    public async Task<JsonElement?> TryGetAsync(string path, CancellationToken deadline)
    {
        try
        {
            using var answer = await Http.GetAsync(new Uri(path, UriKind.Relative), deadline);
            return answer.IsSuccessStatusCode ? await BodyAsync(answer, deadline) : null;
        }
        catch (Exception away) when (away is HttpRequestException or TaskCanceledException && !deadline.IsCancellationRequested)
        {
            return null;
        }
    }

    /// <summary>A count of <c>/v1/status</c>, or −1 while nobody answers.</summary>
    public async Task<long> CountAsync(string state, CancellationToken deadline) =>
        await TryGetAsync("/v1/status", deadline) is { } status ? status.GetProperty("tasks").GetProperty(state).GetInt64() : -1;

    public async Task<int> WorkersAsync(CancellationToken deadline) =>
        await TryGetAsync("/v1/status", deadline) is { } status ? status.GetProperty("workers").GetInt32() : -1;

    /// <summary>The whole chain, verified.</summary>
    public async Task<IReadOnlyList<LedgerEntry>> LedgerAsync(CancellationToken deadline)
    {
        var entries = await LedgerAfterAsync(0, deadline);
        var verdict = await LedgerVerifier.VerifyAsync(Stream(entries), head: null, deadline);
        Assert.Equal(new LedgerVerdict(entries.Count, null, null), verdict);
        return entries;
    }

    /// <summary>Where the chain stands.</summary>
    public async Task<long> LedgerHeadAsync(CancellationToken deadline) =>
        (await GetAsync("/v1/ledger?limit=1", deadline)).GetProperty("head").GetProperty("seq").GetInt64();

    /// <summary>What the chain has behind a position.</summary>
    public async Task<IReadOnlyList<LedgerEntry>> LedgerAfterAsync(long from, CancellationToken deadline)
    {
        var entries = new List<LedgerEntry>();
        long? after = from;
        while (after is { } position)
        {
            var page = await GetAsync(string.Create(CultureInfo.InvariantCulture, $"/v1/ledger?after={position}&limit=5000"), deadline);
            var town = page.GetProperty("town").GetString()!;
            entries.AddRange(page.GetProperty("entries").EnumerateArray().Select(entry => Entry(town, entry)));
            after = page.GetProperty("next_after") is { ValueKind: JsonValueKind.Number } next ? next.GetInt64() : null;
        }

        return entries;
    }

    public static StringContent Json(string text) => new(text, Encoding.UTF8, "application/json");

    public void Dispose() => Http.Dispose();

    private static async Task<JsonElement> BodyAsync(HttpResponseMessage answer, CancellationToken deadline) =>
        await answer.Content.ReadFromJsonAsync<JsonElement>(deadline);

    private static LedgerEntry Entry(string town, JsonElement entry) => new(
        town, entry.GetProperty("seq").GetInt64(), entry.GetProperty("id").GetInt64(), entry.GetProperty("at").GetDateTime().ToUniversalTime(),
        entry.GetProperty("actor").GetString()!, entry.GetProperty("action").GetString()!, Id(entry, "agent_id"),
        entry.GetProperty("agent_name").GetString(), Id(entry, "task_id"), entry.GetProperty("outcome").GetString()!,
        entry.GetProperty("detail").GetString()!, Convert.FromHexString(entry.GetProperty("prev_hash").GetString()!),
        Convert.FromHexString(entry.GetProperty("hash").GetString()!));

    private static Guid? Id(JsonElement entry, string name) =>
        entry.GetProperty(name) is { ValueKind: JsonValueKind.String } id ? id.GetGuid() : null;

    private static async IAsyncEnumerable<LedgerEntry> Stream(IEnumerable<LedgerEntry> entries)
    {
        foreach (var entry in entries)
        {
            yield return entry;
        }

        await Task.CompletedTask;
    }
}
