using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;

namespace Townhall.Faults;

/// <summary>A client of a town that writes down what it did and what it was told.</summary>
public sealed class TownClient(int port, History history, int seed) : IDisposable
{
    private static readonly JsonSerializerOptions WithoutNulls = new()
    {
        DefaultIgnoreCondition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingNull,
    };

    private int _calls;

    public HttpClient Http { get; } = new(new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false, ConnectTimeout = TimeSpan.FromSeconds(3) })
    {
        BaseAddress = new Uri($"http://127.0.0.1:{port.ToString(CultureInfo.InvariantCulture)}"),
        Timeout = TimeSpan.FromSeconds(12),
    };

    /// <summary>Makes an agent; not part of the history, so the town must be well.</summary>
    public async Task SpawnAsync(object agent, CancellationToken deadline)
    {
        using var answer = await Http.PostAsJsonAsync("/v1/agents", agent, deadline);
        if (!answer.IsSuccessStatusCode)
        {
            throw new FaultException($"No agent could be made: {(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync(deadline)}");
        }
    }

    /// <summary>Assigns one task and says how that ended; never throws but at the deadline.</summary>
    /// <param name="text">What the agent reads; the call's key follows on a line of its own.</param>
    /// <param name="insist">Whether to repeat the call, with its idempotency key, until its end is known.</param>
    public async Task<Call> AssignAsync(
        string agent, string text, CancellationToken deadline, DateTimeOffset? notBefore = null, bool insist = false)
    {
        var number = Interlocked.Increment(ref _calls);
        var key = string.Create(CultureInfo.InvariantCulture, $"{seed}-{port}-{number}");
        var call = history.Invoke(key, agent, notBefore);
        while (true)
        {
            var (ending, status, task, detail) = await TryAsync(agent, $"{text}\n#{key}", insist ? key : null, notBefore, deadline);
            if (!insist || ending != Ending.Info || deadline.IsCancellationRequested)
            {
                history.End(call, ending, status, task, detail);
                return call;
            }

            history.Note("again", $"{key} after {status} {detail}");
            await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, deadline);
        }
    }

    public void Dispose() => Http.Dispose();

    private async Task<(Ending Ending, int Status, Guid? Task, string? Detail)> TryAsync(
        string agent, string task, string? idempotencyKey, DateTimeOffset? notBefore, CancellationToken deadline)
    {
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/tasks/assign")
            {
                Content = JsonContent.Create(new { agent, task, not_before = notBefore?.UtcDateTime.ToString("O") }, options: WithoutNulls),
            };
            if (idempotencyKey is not null)
            {
                request.Headers.Add("Idempotency-Key", idempotencyKey);
            }

            using var answer = await Http.SendAsync(request, deadline);
            var status = (int)answer.StatusCode;
            var body = await answer.Content.ReadAsStringAsync(deadline);
            return status switch
            {
                200 or 201 => (Ending.Ok, 201, JsonDocument.Parse(body).RootElement.GetProperty("task_id").GetGuid(), null),
                >= 400 and < 500 => (Ending.Fail, status, null, body),
                // Also a 503: the commit may have happened and its answer may have been lost.
                _ => (Ending.Info, status, null, body),
            };
        }
        catch (Exception unknown) when (unknown is HttpRequestException or IOException or JsonException or TaskCanceledException && !deadline.IsCancellationRequested)
        {
            return (Ending.Info, 0, null, unknown.Message);
        }
    }
}
