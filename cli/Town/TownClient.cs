using System.Globalization;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Townhall.Cli.Invoking;

namespace Townhall.Cli.Town;

/// <summary>Every call to the town. A call that is refused or finds nobody throws <see cref="CommandFailure"/>.</summary>
internal sealed class TownClient : IDisposable
{
    /// <summary>Longer than the town's own deadline of 5 s and its edge's of 10 s: it should be the town that says what is wrong.</summary>
    private static readonly TimeSpan AnswerMost = TimeSpan.FromSeconds(15);

    /// <summary>A refusal or an answer larger than that is none.</summary>
    private const long AnswerBytesMost = 64 * 1024 * 1024;

    private const int PageSize = 1000;
    private readonly TimeProvider _clock;
    private readonly HttpClient _http;

    public TownClient(Uri address, TimeProvider clock)
    {
        Address = address;
        _clock = clock;
        _http = new HttpClient(new SocketsHttpHandler
        {
            ConnectTimeout = TimeSpan.FromSeconds(5),
            AllowAutoRedirect = false,
            UseCookies = false,
            // A proxy that is configured for the outside world cannot know a town on this machine.
            UseProxy = !address.IsLoopback,
        })
        {
            BaseAddress = address,
            Timeout = Timeout.InfiniteTimeSpan,     // each call has its own deadline; streams live longer
            MaxResponseContentBufferSize = AnswerBytesMost,
        };
    }

    public Uri Address { get; }

    public void Dispose() => _http.Dispose();

    public Task<TownStatus> StatusAsync(CancellationToken cancellationToken) =>
        GetAsync("v1/status", TownJson.Default.TownStatus, cancellationToken);

    public Task<ScalingReading> ScalingAsync(CancellationToken cancellationToken) =>
        GetAsync("api/scaling", TownJson.Default.ScalingReading, cancellationToken);

    /// <summary>All agents, page by page.</summary>
    public async Task<IReadOnlyList<AgentRow>> AgentsAsync(CancellationToken cancellationToken)
    {
        var agents = new List<AgentRow>();
        string? cursor = null;
        do
        {
            var page = await GetAsync(
                $"v1/agents?limit={PageSize}{(cursor is null ? "" : $"&cursor={Uri.EscapeDataString(cursor)}")}",
                TownJson.Default.AgentPage, cancellationToken);
            agents.AddRange(page.Agents);

            // A page that brings nothing and promises more would keep us here for ever.
            cursor = page.Agents.Length == 0 ? null : page.NextCursor;
        }
        while (cursor is not null);

        return agents;
    }

    public Task<SpawnedAgent> SpawnAsync(NewAgent agent, CancellationToken cancellationToken) =>
        PostAsync("v1/agents", agent, RequestJson.Default.NewAgent, TownJson.Default.SpawnedAgent, cancellationToken);

    /// <summary>Hands over one task. When it returns, the task is kept.</summary>
    public Task<AssignedTask> AssignAsync(NewAssignment assignment, CancellationToken cancellationToken) =>
        PostAsync("v1/tasks/assign", assignment, RequestJson.Default.NewAssignment, TownJson.Default.AssignedTask, cancellationToken);

    public Task<TaskRow> TaskAsync(string id, CancellationToken cancellationToken) =>
        GetAsync($"v1/tasks/{Uri.EscapeDataString(id)}", TownJson.Default.TaskRow, cancellationToken);

    public Task<ExplanationRow> ExplainAsync(string id, CancellationToken cancellationToken) =>
        GetAsync($"v1/tasks/{Uri.EscapeDataString(id)}/explain", TownJson.Default.ExplanationRow, cancellationToken);

    public Task<TaskRow> CancelAsync(string id, CancellationToken cancellationToken) =>
        CallAsync(
            () => new HttpRequestMessage(HttpMethod.Post, $"v1/tasks/{Uri.EscapeDataString(id)}/cancel"),
            TownJson.Default.TaskRow, cancellationToken);

    public Task<LedgerPage> LedgerAsync(long after, int limit, CancellationToken cancellationToken) =>
        GetAsync(
            string.Create(CultureInfo.InvariantCulture, $"v1/ledger?after={after}&limit={limit}"), TownJson.Default.LedgerPage, cancellationToken);

    /// <summary>Signed checkpoints behind <paramref name="after"/>, in the order of their making.</summary>
    public Task<CheckpointPage> CheckpointsAsync(long after, CancellationToken cancellationToken) =>
        GetAsync(
            string.Create(CultureInfo.InvariantCulture, $"v1/ledger/checkpoints?after={after}&limit={PageSize}"), TownJson.Default.CheckpointPage,
            cancellationToken);

    public Task<LedgerKeys> LedgerKeysAsync(CancellationToken cancellationToken) =>
        GetAsync("v1/ledger/keys", TownJson.Default.LedgerKeys, cancellationToken);

    /// <summary>What one attempt of a task printed, from <paramref name="offset"/> on; with <paramref name="follow"/> until it ends.</summary>
    /// <returns>An open answer whose body the caller reads and disposes.</returns>
    public Task<HttpResponseMessage> OutputAsync(string id, int attempt, long offset, bool follow, CancellationToken cancellationToken) =>
        OpenAsync(
            new HttpRequestMessage(HttpMethod.Get, string.Create(
                CultureInfo.InvariantCulture,
                $"v1/tasks/{Uri.EscapeDataString(id)}/output?attempt={attempt}&offset={offset}{(follow ? "&follow=true" : "")}")),
            cancellationToken);

    /// <summary>Opens the event stream behind <paramref name="lastId"/>; from now on when that is null.</summary>
    public Task<HttpResponseMessage> EventsAsync(string? lastId, CancellationToken cancellationToken)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, "events");
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("text/event-stream"));
        if (lastId is not null)
        {
            request.Headers.Add("Last-Event-ID", lastId);
        }

        return OpenAsync(request, cancellationToken);
    }

    private Task<T> GetAsync<T>(string path, JsonTypeInfo<T> type, CancellationToken cancellationToken) =>
        CallAsync(() => new HttpRequestMessage(HttpMethod.Get, path), type, cancellationToken);

    private Task<TAnswer> PostAsync<TBody, TAnswer>(
        string path, TBody body, JsonTypeInfo<TBody> bodyType, JsonTypeInfo<TAnswer> type, CancellationToken cancellationToken) =>
        CallAsync(() => new HttpRequestMessage(HttpMethod.Post, path) { Content = JsonContent.Create(body, bodyType) }, type, cancellationToken);

    private async Task<T> CallAsync<T>(Func<HttpRequestMessage> request, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        using var message = request();
        using var deadline = new Deadline(AnswerMost, _clock, cancellationToken);
        try
        {
            using var answer = await _http.SendAsync(message, HttpCompletionOption.ResponseContentRead, deadline.Token);
            await ThrowIfRefusedAsync(answer, deadline.Token);
            return await answer.Content.ReadFromJsonAsync(type, deadline.Token)
                ?? throw new JsonException($"{message.RequestUri} answered null.");
        }
        catch (HttpRequestException nobody)
        {
            throw Unreachable(nobody);
        }
        catch (OperationCanceledException) when (deadline.Passed)
        {
            throw Late(message.Method);
        }
    }

    private async Task<HttpResponseMessage> OpenAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        using var deadline = new Deadline(AnswerMost, _clock, cancellationToken);
        HttpResponseMessage? answer = null;
        try
        {
            answer = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, deadline.Token);
            await ThrowIfRefusedAsync(answer, deadline.Token);
            return answer;
        }
        catch (HttpRequestException nobody)
        {
            answer?.Dispose();
            throw Unreachable(nobody);
        }
        catch (OperationCanceledException) when (deadline.Passed)
        {
            answer?.Dispose();
            throw Late(request.Method);
        }
        catch
        {
            answer?.Dispose();
            throw;
        }
        finally
        {
            request.Dispose();
        }
    }

    private static async Task ThrowIfRefusedAsync(HttpResponseMessage answer, CancellationToken cancellationToken)
    {
        if (answer.IsSuccessStatusCode)
        {
            return;
        }

        throw Refusals.Read(answer.StatusCode, await answer.Content.ReadAsStringAsync(cancellationToken));
    }

    private CommandFailure Unreachable(HttpRequestException nobody) => new(
        ExitCodes.Unreachable, "unreachable",
        $"No town answers at {Address.GetLeftPart(UriPartial.Authority)} ({Reason(nobody)}). Start one with ./run, "
            + $"or name another with --town-url or {GlobalOptions.UrlVariable}.",
        nobody);

    private static string Reason(HttpRequestException nobody) =>
        nobody.InnerException is System.Net.Sockets.SocketException socket ? socket.Message : nobody.Message;

    private static CommandFailure Late(HttpMethod method) => new(
        ExitCodes.Unreachable, "late",
        $"No answer within {AnswerMost.TotalSeconds:0} s.{(method == HttpMethod.Post ? " Whether something was changed is not known." : "")}");
}
