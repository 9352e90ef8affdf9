using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Text;
using System.Text.Json;
using Townhall.Testing;

namespace Townhall.Fuzzing;

/// <summary>What a run is asked to do.</summary>
/// <param name="Valid">Requests that the description allows.</param>
/// <param name="Mutated">Requests that were changed into something else.</param>
public sealed record FuzzPlan(int Seed, int Valid, int Mutated, int AtOnce = 8);

/// <summary>What a run saw. Every failure names its seed and the request as curl.</summary>
public sealed record FuzzReport(
    int Valid, int Mutated, IReadOnlyDictionary<int, int> Statuses, IReadOnlyDictionary<string, int> Operations, double SlowestMs, TimeSpan Took,
    int Refused, IReadOnlyList<string> Failures);

/// <summary>Calls a town many times, half of it through the edge, and judges every answer.</summary>
public sealed class FuzzRun(FuzzTown town, FuzzPlan plan)
{
    private const int FailuresKept = 200;
    private static readonly TimeSpan SlowMost = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan GlanceMost = TimeSpan.FromMilliseconds(200);

    // A valid request that is refused so contradicts the description.
    private static readonly HashSet<string> Contradictions = new(StringComparer.Ordinal)
    {
        "bad_json", "bad_query", "bad_cursor", "bad_filter", "bad_event_id", "bad_request", "bad_idempotency_key", "invalid_value", "value_refused",
        "json_expected", "body_too_large",
    };

    private readonly ApiDocument _api = ApiDocument.Current;
    private readonly Known _known = new();
    private readonly ConcurrentDictionary<int, int> _statuses = new();
    private readonly ConcurrentDictionary<string, int> _operations = new(StringComparer.Ordinal);
    private readonly ConcurrentQueue<string> _failures = new();
    private long _slowest;
    private int _refused;

    public async Task<FuzzReport> RunAsync(CancellationToken deadline)
    {
        var began = Stopwatch.GetTimestamp();
        using var edge = Client(town.Edge.Address);
        using var townhall = Client(town.Townhall.Address);
        var maker = new RequestMaker(_api, _known);
        var mutator = new Mutator(_api);
        await SeedAsync(townhall, deadline);
        var options = new ParallelOptions { MaxDegreeOfParallelism = plan.AtOnce, CancellationToken = deadline };
        await Parallel.ForAsync(0, plan.Valid + plan.Mutated, options, async (index, cancellationToken) =>
        {
            if (_failures.Count >= FailuresKept)
            {
                return;
            }

            var random = new Random(unchecked((plan.Seed * 1_000_003) + index));
            var call = maker.Make(index, random);
            if (index >= plan.Valid)
            {
                call = mutator.Mutate(call, random);
            }

            // What only one of the services serves is there behind the edge alone.
            var through = random.Next(2) == 0 || call.Operation.Path is "/api/scaling" or "/events" ? edge : townhall;
            await SendAsync(through, call, random, cancellationToken);
        });
        foreach (var service in town.Services.Where(static one => one.Process.HasExited))
        {
            Fail($"{service.Process.Name} ended with {service.Process.ExitCode}.\n{service.Process.Log}");
        }

        return new(
            plan.Valid, plan.Mutated, new SortedDictionary<int, int>(_statuses), new SortedDictionary<string, int>(_operations),
            TimeSpan.FromTicks(_slowest).TotalMilliseconds, Stopwatch.GetElapsedTime(began), _refused, [.. _failures]);
    }

    private async Task SeedAsync(HttpClient client, CancellationToken deadline)
    {
        for (var i = 0; i < 5; i++)
        {
            using var body = new StringContent($$"""{"name":"seeded {{plan.Seed}}-{{i}}","cli":"noop"}""", Encoding.UTF8, "application/json");
            using var answer = await client.PostAsync(new Uri("/v1/agents", UriKind.Relative), body, deadline);
            answer.EnsureSuccessStatusCode();
            _known.Add("agent", $"seeded {plan.Seed}-{i}", new Random(i));
        }
    }

    private async Task SendAsync(HttpClient client, Call call, Random random, CancellationToken cancellationToken)
    {
        if (!await AnsweredAsync(client, call, random, again: false, cancellationToken))
        {
            await AnsweredAsync(client, call, random, again: true, cancellationToken);
        }
    }

    /// <returns>False when the connection ended under the request. One that an earlier refusal has closed is nobody's fault, so it may be sent again.</returns>
    private async Task<bool> AnsweredAsync(HttpClient client, Call call, Random random, bool again, CancellationToken cancellationToken)
    {
        var began = Stopwatch.GetTimestamp();
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(TimeSpan.FromSeconds(20));
        try
        {
            using var request = Request(client.BaseAddress!, call);
            using var answer = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, patience.Token);
            var body = await BodyAsync(answer, call, patience.Token);
            Judge(client, call, answer, body, Stopwatch.GetElapsedTime(began), random);
        }
        catch (HttpRequestException) when (call.Body is { Length: > 1024 * 1024 } || call.How.Contains("header", StringComparison.Ordinal))
        {
            // Refused while it was still being sent: who sends too much may not hear the answer.
            _statuses.AddOrUpdate(0, 1, static (_, count) => count + 1);
        }
        catch (HttpRequestException ended) when (!again && ended.InnerException is IOException)
        {
            return false;
        }
        catch (Exception failure) when (failure is HttpRequestException or IOException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            Fail(client, call, $"no answer: {failure.GetType().Name} {failure.Message} {failure.InnerException?.Message}");
        }

        return true;
    }

    private static async Task<byte[]> BodyAsync(HttpResponseMessage answer, Call call, CancellationToken cancellationToken)
    {
        if (!call.Streams || !answer.IsSuccessStatusCode || answer.Content.Headers.ContentType?.MediaType == "application/json")
        {
            return await answer.Content.ReadAsByteArrayAsync(cancellationToken);
        }

        // A stream stays open: a glance says that it began.
        using var glance = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        glance.CancelAfter(GlanceMost);
        var buffer = new byte[64 * 1024];
        try
        {
            await using var stream = await answer.Content.ReadAsStreamAsync(glance.Token);
            var read = await stream.ReadAsync(buffer, glance.Token);
            return buffer[..read];
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return [];
        }
    }

    private void Judge(HttpClient client, Call call, HttpResponseMessage answer, byte[] body, TimeSpan took, Random random)
    {
        var status = (int)answer.StatusCode;
        _statuses.AddOrUpdate(status, 1, static (_, count) => count + 1);
        _operations.AddOrUpdate(call.Operation.Id, 1, static (_, count) => count + 1);
        InterlockedMax(ref _slowest, took.Ticks);
        // A probe that says that something is away has done what it is for.
        if (status >= 500 && !(status == 503 && call.Operation.Path is "/ready" or "/readyz"))
        {
            Fail(client, call, $"answered {status}: {Encoding.UTF8.GetString(body)}");
            return;
        }

        if (took > SlowMost && !call.Streams)
        {
            Fail(client, call, $"took {took.TotalSeconds:0.0} s");
        }

        if (call.Method is "HEAD" or "OPTIONS" or "TRACE" or "PROPFIND")
        {
            return;
        }

        if (status is 400 or 414 or 431 && body.Length == 0 && answer.Headers.ConnectionClose is true)
        {
            return;     // refused by the HTTP server before it was a request of any operation
        }

        var media = answer.Content.Headers.ContentType?.ToString();
        if (call.How.Length > 0 && status < 400 && _api.Find(call.Method, call.Target) is null)
        {
            return;     // another spelling of a described address, such as one with a dot segment
        }

        // A changed address may be another operation, or none; which one, another spelling of the same address does not tell.
        var faults = Respelt(call) ? status < 400 ? [] : _api.Faults(call.Method, "/", status, media, body) : _api.Faults(call.Method, call.Target, status, media, body);
        if (faults.Count > 0)
        {
            Fail(client, call, string.Join("; ", faults));
            return;
        }

        if (media?.Contains("json", StringComparison.Ordinal) is true && body.Length is > 0 and < 5_000_000)
        {
            using var document = JsonDocument.Parse(body);
            if (status < 400)
            {
                _known.Learn(call.Operation.Id, document.RootElement, random);
            }
            else if (call.How.Length == 0 && document.RootElement.GetProperty("code").GetString() is { } code && Contradictions.Contains(code))
            {
                Fail(client, call, $"is described and was refused: {Encoding.UTF8.GetString(body)}");
            }
        }

        if (call.Breaks)
        {
            Interlocked.Increment(ref _refused);
            if (status < 400)
            {
                Fail(client, call, $"is not described and was answered {status}");
            }
        }
    }

    /// <summary>Whether a server reads the path otherwise than it is written: dot segments, doubled and encoded slashes.</summary>
    private static bool Respelt(Call call)
    {
        var path = call.Target.Split('?')[0];
        return call.How.Contains("path", StringComparison.Ordinal)
            && (path.Contains("//", StringComparison.Ordinal) || path.Contains("/.", StringComparison.Ordinal)
                || path.Contains("%2e", StringComparison.OrdinalIgnoreCase) || path.Contains("%2f", StringComparison.OrdinalIgnoreCase));
    }

    private static HttpRequestMessage Request(Uri address, Call call)
    {
        var target = call.Target.StartsWith('/') ? call.Target : "/" + call.Target;
        var request = new HttpRequestMessage(
            new HttpMethod(call.Method), new Uri(address.ToString().TrimEnd('/') + target, new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true }));
        if (call.Body is { } body)
        {
            request.Content = new ByteArrayContent(body);
        }

        foreach (var (name, value) in call.Headers)
        {
            if (name.StartsWith("Content-", StringComparison.Ordinal))
            {
                request.Content?.Headers.TryAddWithoutValidation(name, value);
            }
            else
            {
                request.Headers.TryAddWithoutValidation(name, value);
            }
        }

        return request;
    }

    private static HttpClient Client(Uri address) => new(new SocketsHttpHandler
    {
        UseProxy = false,
        AllowAutoRedirect = false,
        PooledConnectionLifetime = TimeSpan.FromMinutes(1),
        UseCookies = false,
        RequestHeaderEncodingSelector = static (_, _) => Encoding.UTF8,
    })
    {
        BaseAddress = address,
        Timeout = Timeout.InfiniteTimeSpan,
        DefaultRequestVersion = HttpVersion.Version11,
    };

    private void Fail(HttpClient client, Call call, string what) =>
        Fail($"seed {plan.Seed} request {call.Index} ({(call.How.Length == 0 ? "valid" : call.How)}) {call.Operation.Id}: {what}\n  {call.Curl(client.BaseAddress!)}");

    private void Fail(string what)
    {
        if (_failures.Count < FailuresKept)
        {
            _failures.Enqueue(what);
        }
    }

    private static void InterlockedMax(ref long place, long value)
    {
        for (var seen = Volatile.Read(ref place); value > seen; seen = Volatile.Read(ref place))
        {
            Interlocked.CompareExchange(ref place, value, seen);
        }
    }
}
