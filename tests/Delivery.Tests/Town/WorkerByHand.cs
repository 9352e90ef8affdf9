using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using Townhall.Contracts.Workers;

namespace Townhall.Delivery.Tests.Town;

/// <summary>A worker that does exactly what a test says, by the protocol. It never renews by itself.</summary>
internal sealed class WorkerByHand : IDisposable
{
    private readonly HttpClient _http;

    private WorkerByHand(HttpClient http, Guid id) => (_http, Id) = (http, id);

    public Guid Id { get; }

    public static async Task<WorkerByHand> RegisterAsync(MeasuredTown town, CancellationToken deadline, int slots = 64)
    {
        var id = Guid.CreateVersion7();
        var http = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = new Uri($"http://127.0.0.1:{town.Parts.Dispatchers[0].Port}") };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", (await File.ReadAllTextAsync(town.Parts.KeyFile, deadline)).Trim());
        var worker = new WorkerByHand(http, id);
        var (status, body) = await worker.PostAsync(
            "register", new RegisterRequest(Guid.NewGuid(), id, "by-hand", "here", 1, "1", ["noop", "command"], slots, "none"), deadline);
        Assert.Equal(200, status);
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", body.GetProperty("token").GetString());
        return worker;
    }

    public async Task<Lease[]> LeaseAsync(int most, CancellationToken deadline, int waitMs = 1000)
    {
        var (status, body) = await PostAsync("lease", new LeaseRequest(Guid.NewGuid(), most, waitMs), deadline);
        Assert.Equal(200, status);
        return body.Deserialize(WorkerJson.Default.LeaseReply)!.Leases;
    }

    /// <summary>Exactly one lease, however long it takes to be offered.</summary>
    public async Task<Lease> LeaseOneAsync(CancellationToken deadline)
    {
        while (true)
        {
            if (await LeaseAsync(1, deadline) is [var lease])
            {
                return lease;
            }
        }
    }

    public Task<(int Status, JsonElement Body)> RenewAsync(Lease lease, CancellationToken deadline) =>
        PostAsync("renew", new RenewRequest(Guid.NewGuid(), [Reference(lease)]), deadline);

    public Task<(int Status, JsonElement Body)> SettleAsync(string outcome, Lease[] leases, CancellationToken deadline) =>
        PostAsync("settle", new SettleRequest(Guid.NewGuid(), [.. leases.Select(lease => Result(lease, outcome))]), deadline);

    public static AttemptResult Result(Lease lease, string outcome) => new(
        Reference(lease), outcome, outcome == AttemptOutcomes.Completed ? 0 : null, "by hand", null, 7, null, null, "none", 1, 0);

    public static string[] Verdicts(JsonElement body) =>
        [.. body.GetProperty("results").EnumerateArray().Select(static one => one.GetProperty("verdict").GetString()!)];

    public async Task<(int Status, JsonElement Body)> PostAsync<T>(string call, T request, CancellationToken deadline)
    {
        using var answer = await SendAsync(call, request, deadline);
        return ((int)answer.StatusCode, await answer.Content.ReadFromJsonAsync<JsonElement>(deadline));
    }

    /// <summary>How a call was answered, and when to repeat it.</summary>
    public async Task<(int Status, RetryConditionHeaderValue? RetryAfter)> StatusAsync<T>(string call, T request, CancellationToken deadline)
    {
        using var answer = await SendAsync(call, request, deadline);
        return ((int)answer.StatusCode, answer.Headers.RetryAfter);
    }

    public void Dispose() => _http.Dispose();

    public static LeaseRef Reference(Lease lease) => new(lease.TaskId, lease.Epoch, lease.Token);

    private async Task<HttpResponseMessage> SendAsync<T>(string call, T request, CancellationToken deadline)
    {
        using var content = JsonContent.Create(request, options: WorkerJson.Default.Options);
        return await _http.PostAsync(new Uri($"worker/{call}", UriKind.Relative), content, deadline);
    }
}
