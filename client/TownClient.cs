using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Townhall.Client.Calls;

namespace Townhall.Client;

/// <summary>Every call to a town, from as many threads as one likes. A call ends with an answer or a <see cref="TownException"/>.</summary>
/// <remarks>
/// It tries again what cannot happen twice (reads, repeatable changes, creating calls with the <c>Idempotency-Key</c> it makes), with
/// full jitter and never before <c>Retry-After</c>; everything else only when the town surely did not begin it.
/// </remarks>
public sealed partial class TownClient : IDisposable
{
    /// <summary>A refusal or an answer larger than that is none.</summary>
    private const long AnswerBytesMost = 64 * 1024 * 1024;

    private readonly TownClientOptions _options;
    private readonly HttpClient _http;

    public TownClient(TownClientOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options;
        var handler = new SocketsHttpHandler
        {
            ConnectTimeout = TimeSpan.FromSeconds(5),
            AllowAutoRedirect = false,      // a key must not travel to where an answer points
            UseCookies = false,
            // A proxy that is configured for the outside world cannot know a town on this machine.
            UseProxy = !options.Address.IsLoopback,
        };
        if (options.ClientCertificate is { } certificate)
        {
            handler.SslOptions.ClientCertificates = [certificate];
        }

        _http = new HttpClient(handler)
        {
            BaseAddress = options.Address,
            Timeout = Timeout.InfiniteTimeSpan,     // each call has its own deadline; streams live longer
            MaxResponseContentBufferSize = AnswerBytesMost,
        };
        _http.DefaultRequestHeaders.UserAgent.Add(new ProductInfoHeaderValue("Townhall.Client", Version));
        if (options.ApiKey is { } key)
        {
            _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        }
    }

    /// <summary>The version of this client, as it says it to towns.</summary>
    public static string Version { get; } = typeof(TownClient).Assembly.GetName().Version?.ToString(3) ?? "0";

    public Uri Address => _options.Address;

    public void Dispose() => _http.Dispose();

    private static string Segment(string text) => Uri.EscapeDataString(text);

    private async Task<T> CallAsync<T>(Call call, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        using var answer = await SendAsync(call, HttpCompletionOption.ResponseContentRead, cancellationToken);
        try
        {
            return await answer.Content.ReadFromJsonAsync(type, cancellationToken)
                ?? throw new TownAnswerException($"{call.Path} answered null.", null);
        }
        catch (JsonException unexpected)
        {
            throw new TownAnswerException($"The answer of {call.Path} is not what this version knows: {unexpected.Message}", unexpected);
        }
    }

    private async Task CallAsync(Call call, CancellationToken cancellationToken) =>
        (await SendAsync(call, HttpCompletionOption.ResponseContentRead, cancellationToken)).Dispose();

    /// <returns>An answer of success. With <see cref="HttpCompletionOption.ResponseHeadersRead"/> the deadline ends at its headers.</returns>
    private async Task<HttpResponseMessage> SendAsync(Call call, HttpCompletionOption until, CancellationToken cancellationToken)
    {
        using var deadline = new Deadline(_options.Deadline, _options.Clock, cancellationToken);
        for (var tries = 1; ; tries++)
        {
            var (answer, miss) = await TryAsync(call, until, deadline);
            if (answer is not null)
            {
                return answer;
            }

            if (Retries.Pause(call.Repeat, miss!, tries, deadline.Left, _options, Random.Shared.NextDouble()) is not { } pause)
            {
                throw miss!.Why;
            }

            await Task.Delay(pause, _options.Clock, cancellationToken);
        }
    }

    private async Task<(HttpResponseMessage? Answer, Miss? Miss)> TryAsync(Call call, HttpCompletionOption until, Deadline deadline)
    {
        HttpResponseMessage? answer = null;
        try
        {
            using var message = call.Message();
            answer = await _http.SendAsync(message, until, deadline.Token);
            if (answer.IsSuccessStatusCode)
            {
                var success = answer;
                answer = null;
                return (success, null);
            }

            var body = await answer.Content.ReadAsStringAsync(deadline.Token);
            return (null, Refusals.Read(answer, body, _options.Clock.GetUtcNow()));
        }
        catch (HttpRequestException nobody)
        {
            var begun = !NeverSent(nobody);
            return (null, new Miss(new TownUnreachableException(Words(nobody, call), begun && call.Method != HttpMethod.Get, nobody), begun));
        }
        catch (IOException broken)
        {
            return (null, new Miss(new TownUnreachableException(broken.Message, call.Method != HttpMethod.Get, broken), Begun: true));
        }
        catch (OperationCanceledException) when (deadline.Passed)
        {
            throw new TownTimeoutException(
                $"No answer within {_options.Deadline.TotalSeconds:0.#} s."
                + (call.Method == HttpMethod.Get ? "" : " Whether something was changed is not known."));
        }
        finally
        {
            answer?.Dispose();
        }
    }

    private static bool NeverSent(HttpRequestException nobody) => nobody.HttpRequestError
        is HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError
        or HttpRequestError.SecureConnectionError or HttpRequestError.ProxyTunnelError;

    private string Words(HttpRequestException nobody, Call call)
    {
        var reason = nobody.InnerException is SocketException socket ? socket.Message : nobody.Message;
        var unknown = NeverSent(nobody) || call.Method == HttpMethod.Get ? "" : " Whether something was changed is not known.";
        return $"No town answers at {Address.GetLeftPart(UriPartial.Authority)} ({reason}).{unknown}";
    }
}
