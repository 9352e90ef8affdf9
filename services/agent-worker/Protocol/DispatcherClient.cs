using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Townhall.Contracts.Workers;

namespace Townhall.Worker.Protocol;

/// <summary>The worker protocol over HTTP: one method per call, each with its deadline. It decides nothing and repeats nothing.</summary>
internal sealed class DispatcherClient : IDispatcher, IDisposable
{
    private static readonly MediaTypeHeaderValue Json = new("application/json") { CharSet = "utf-8" };
    private static readonly MediaTypeHeaderValue Bytes = new("application/octet-stream");

    // Long polls wait in the dispatcher; what comes on top is the network and its own work.
    private static readonly TimeSpan BeyondWait = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Plain = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Quick = TimeSpan.FromSeconds(5);

    private readonly HttpClient _http;
    private readonly TimeProvider _clock;

    public DispatcherClient(Uri dispatcher, TimeProvider clock)
    {
        _clock = clock;
        var handler = new SocketsHttpHandler
        {
            ConnectTimeout = TimeSpan.FromSeconds(2),
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(60),
            AllowAutoRedirect = false,
            UseProxy = false,
            UseCookies = false,
            AutomaticDecompression = DecompressionMethods.None,
        };
        _http = new HttpClient(handler)
        {
            BaseAddress = dispatcher,
            Timeout = Timeout.InfiniteTimeSpan,
            DefaultRequestVersion = HttpVersion.Version11,
        };
    }

    public Task<Answer<RegisterReply>> RegisterAsync(string key, RegisterRequest request, CancellationToken cancellationToken) =>
        PostAsync("worker/register", key, request, WorkerJson.Default.RegisterRequest, WorkerJson.Default.RegisterReply, Quick, cancellationToken);

    public Task<Answer<LeaseReply>> LeaseAsync(string token, LeaseRequest request, CancellationToken cancellationToken) =>
        PostAsync("worker/lease", token, request, WorkerJson.Default.LeaseRequest, WorkerJson.Default.LeaseReply,
            TimeSpan.FromMilliseconds(request.WaitMs) + BeyondWait, cancellationToken);

    public Task<Answer<RenewReply>> RenewAsync(
        string token, RenewRequest request, TimeSpan deadline, CancellationToken cancellationToken) =>
        PostAsync("worker/renew", token, request, WorkerJson.Default.RenewRequest, WorkerJson.Default.RenewReply, deadline, cancellationToken);

    public Task<Answer<DirectivesReply>> DirectivesAsync(string token, DirectivesRequest request, CancellationToken cancellationToken) =>
        PostAsync("worker/directives", token, request, WorkerJson.Default.DirectivesRequest, WorkerJson.Default.DirectivesReply,
            TimeSpan.FromMilliseconds(request.WaitMs) + BeyondWait, cancellationToken);

    public Task<Answer<OutputReply>> OutputAsync(string token, OutputRequest request, CancellationToken cancellationToken) =>
        PostAsync("worker/output", token, request, WorkerJson.Default.OutputRequest, WorkerJson.Default.OutputReply, Plain, cancellationToken);

    public Task<Answer<SettleReply>> SettleAsync(string token, SettleRequest request, CancellationToken cancellationToken) =>
        SendAsync(
            HttpMethod.Post, "worker/settle", token, JsonSerializer.SerializeToUtf8Bytes(request, WorkerJson.Default.SettleRequest), Json,
            ReadVerdicts, Plain, cancellationToken, late: ReadVerdicts);

    public Task<Answer<DrainReply>> DrainAsync(string token, DrainRequest request, CancellationToken cancellationToken) =>
        PostAsync("worker/drain", token, request, WorkerJson.Default.DrainRequest, WorkerJson.Default.DrainReply, Quick, cancellationToken);

    /// <summary>Stores a blob under its own hash; storing it again changes nothing.</summary>
    public Task<Answer<bool>> PutBlobAsync(string token, string sha256, byte[] content, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Put, $"worker/blobs/{sha256}", token, content, Bytes, static _ => true, Plain, cancellationToken);

    public void Dispose() => _http.Dispose();

    private Task<Answer<TReply>> PostAsync<TRequest, TReply>(
        string path, string credential, TRequest request, JsonTypeInfo<TRequest> requestType, JsonTypeInfo<TReply> replyType,
        TimeSpan deadline, CancellationToken cancellationToken) =>
        SendAsync(
            HttpMethod.Post, path, credential, JsonSerializer.SerializeToUtf8Bytes(request, requestType), Json,
            reply => JsonSerializer.Deserialize(reply, replyType) ?? throw new JsonException("The reply is null."),
            deadline, cancellationToken);

    private async Task<Answer<TReply>> SendAsync<TReply>(
        HttpMethod method, string path, string credential, byte[] body, MediaTypeHeaderValue type, Func<byte[], TReply> read,
        TimeSpan deadline, CancellationToken cancellationToken, Func<byte[], TReply>? late = null)
    {
        using var timeout = new CancellationTokenSource(deadline, _clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        using var message = new HttpRequestMessage(method, path) { Content = new ByteArrayContent(body) };
        message.Content.Headers.ContentType = type;
        message.Headers.Authorization = new AuthenticationHeaderValue("Bearer", credential);
        try
        {
            using var response = await _http.SendAsync(message, HttpCompletionOption.ResponseContentRead, either.Token);
            var content = await response.Content.ReadAsByteArrayAsync(either.Token);
            return (int)response.StatusCode switch
            {
                >= 200 and < 300 => new Answer<TReply>.Given(read(content)),
                // Answered in full, only too late: a refusal with verdicts.
                409 when late is not null => new Answer<TReply>.Given(late(content)),
                401 or 410 => new Answer<TReply>.TokenRefused((int)response.StatusCode),
                408 or 425 or 429 or >= 500 => new Answer<TReply>.Unknown($"{path} answered {(int)response.StatusCode}"),
                var status => new Answer<TReply>.Refused(status, Excerpt(content)),
            };
        }
        catch (OperationCanceledException) when (timeout.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            return new Answer<TReply>.Unknown($"{path} did not answer within {deadline.TotalSeconds} s");
        }
        // SocketException: a connection that is reset in the moment it was made comes out of HttpClient as it is, and unwrapped it
        // ended the process.
        catch (Exception broken) when (broken is HttpRequestException or IOException or JsonException or SocketException)
        {
            return new Answer<TReply>.Unknown($"{path}: {broken.Message}");
        }
    }

    private static SettleReply ReadVerdicts(byte[] content) =>
        JsonSerializer.Deserialize(content, WorkerJson.Default.SettleReply) is { Results: not null } reply
            ? reply : throw new JsonException("The reply has no verdicts.");

    private static string Excerpt(byte[] content) =>
        System.Text.Encoding.UTF8.GetString(content.AsSpan(0, Math.Min(content.Length, 500)));
}
