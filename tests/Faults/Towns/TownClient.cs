using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;

namespace Townhall.Faults;

/// <summary>A client of a town that writes down what it did and what it was told.</summary>
public sealed class TownClient(int port, History history, int seed) : IDisposable
{
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
    public async Task<Call> AssignAsync(string agent, string text, CancellationToken deadline, DateTimeOffset? notBefore = null)
    {
        var key = $"{seed.ToString(CultureInfo.InvariantCulture)}-{port.ToString(CultureInfo.InvariantCulture)}-{Interlocked.Increment(ref _calls).ToString(CultureInfo.InvariantCulture)}";
        var call = history.Invoke(key, agent, notBefore);
        try
        {
            using var answer = await Http.PostAsJsonAsync(
                "/v1/tasks/assign", new { agent, task = $"{text}\n#{key}", not_before = notBefore?.UtcDateTime.ToString("O") }, Skip, deadline);
            var status = (int)answer.StatusCode;
            var body = await answer.Content.ReadAsStringAsync(deadline);
            switch (status)
            {
                case 201:
                    history.End(call, Ending.Ok, status, JsonDocument.Parse(body).RootElement.GetProperty("task_id").GetGuid(), null);
                    break;
                case >= 400 and < 500:
                    history.End(call, Ending.Fail, status, null, body);
                    break;
                default:
                    // Also a 503: the commit may have happened and its answer may have been lost.
                    history.End(call, Ending.Info, status, null, body);
                    break;
            }
        }
        catch (Exception unknown) when (unknown is HttpRequestException or JsonException or TaskCanceledException && !deadline.IsCancellationRequested)
        {
            history.End(call, Ending.Info, 0, null, unknown.Message);
        }

        return call;
    }

    public void Dispose() => Http.Dispose();

    private static readonly JsonSerializerOptions Skip = new() { DefaultIgnoreCondition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingNull };
}
