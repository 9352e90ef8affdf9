using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Townhall.Contracts.Workers;

namespace Townhall.Worker.Tests.Harness;

/// <summary>The other side of the worker protocol, with a memory of every call and a switch for every way it can go wrong.</summary>
internal sealed class FakeDispatcher : IAsyncDisposable
{
    public const string Key = "the-worker-key";

    private readonly WebApplication _app;
    private readonly ConcurrentDictionary<Guid, object> _answers = [];
    private readonly ConcurrentQueue<Lease> _queue = [];
    private readonly ConcurrentQueue<Directive> _directives = [];
    private readonly ConcurrentDictionary<(Guid, int), Lease> _held = [];
    private readonly ConcurrentDictionary<(Guid, int), MemoryStream> _output = [];

    private int _refused;

    private FakeDispatcher(WebApplication app) => _app = app;

    public string Url { get; private set; } = "";

    public double IdleTimeoutSecs { get; set; }

    public double LeaseSecs { get; set; } = 30;

    public long OutputLimitBytes { get; set; } = 16 * 1024 * 1024;

    /// <summary>What renewals are answered: held, cancel, lost, or 503 for no answer at all.</summary>
    public string RenewVerdict { get; set; } = Verdicts.Held;

    /// <summary>True while tokens are refused with 401, as after a restart that forgot them.</summary>
    public bool RefuseTokens { get; set; }

    /// <summary>Calls answered with 401.</summary>
    public int Refused => Volatile.Read(ref _refused);

    /// <summary>True while results are taken although tokens are refused: the worker was declared lost, and may hand in what it did.</summary>
    public bool HearLate { get; set; }

    /// <summary>How many replies of a path are lost after the call took effect.</summary>
    public ConcurrentDictionary<string, int> LoseReplies { get; } = [];

    /// <summary>Paths that answer 503.</summary>
    public ConcurrentDictionary<string, bool> Unavailable { get; } = [];

    public ConcurrentQueue<RegisterRequest> Registrations { get; } = [];

    public ConcurrentQueue<LeaseRequest> LeaseCalls { get; } = [];

    public ConcurrentQueue<RenewRequest> RenewCalls { get; } = [];

    public ConcurrentQueue<DirectivesRequest> DirectiveCalls { get; } = [];

    public ConcurrentQueue<SettleRequest> SettleCalls { get; } = [];

    public ConcurrentQueue<OutputRequest> OutputCalls { get; } = [];

    public ConcurrentQueue<DrainRequest> DrainCalls { get; } = [];

    public ConcurrentDictionary<string, byte[]> Blobs { get; } = [];

    /// <summary>Recorded once per attempt, as in the database.</summary>
    public ConcurrentDictionary<(Guid TaskId, int Epoch), AttemptResult> Results { get; } = [];

    public int Held => _held.Count;

    public int Queued => _queue.Count;

    public static async Task<FakeDispatcher> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddRoutingCore();
        builder.WebHost.ConfigureKestrel(static kestrel => kestrel.Listen(System.Net.IPAddress.Loopback, 0));
        var fake = new FakeDispatcher(builder.Build());
        fake.Map();
        await fake._app.StartAsync();
        fake.Url = fake._app.Urls.Single();
        return fake;
    }

    /// <summary>Queues a task; the lease is given to the next one who asks.</summary>
    public Lease Enqueue(
        string cli, string description, string runtime = "command", string trust = "trusted", double? timeoutSecs = null, AgentGrant? grant = null, int epoch = 1,
        bool alone = false)
    {
        var lease = new Lease(
            Guid.CreateVersion7(), epoch, Guid.NewGuid(), Guid.CreateVersion7(), "Ada", runtime, cli, description, LeaseSecs, timeoutSecs, trust,
            grant ?? AgentGrant.None, alone);
        _queue.Enqueue(lease);
        return lease;
    }

    public void Direct(Directive directive) => _directives.Enqueue(directive);

    public string OutputOf(Lease lease) => Encoding.UTF8.GetString(BytesOf(lease));

    public byte[] BytesOf(Lease lease)
    {
        if (!_output.TryGetValue((lease.TaskId, lease.Epoch), out var stream))
        {
            return [];
        }

        lock (stream)
        {
            return stream.ToArray();
        }
    }

    /// <summary>Waits for the recorded result of a task.</summary>
    public Task<AttemptResult> ResultOfAsync(Lease lease, TimeSpan? within = null) =>
        Eventually.SeesAsync(() => Results.GetValueOrDefault((lease.TaskId, lease.Epoch)), $"a result of {lease.Cli}", within);

    public async ValueTask DisposeAsync()
    {
        using var soon = new CancellationTokenSource(TimeSpan.FromMilliseconds(200));
        await _app.StopAsync(soon.Token);
        await _app.DisposeAsync();
    }

    private void Map()
    {
        Post("register", WorkerJson.Default.RegisterRequest, WorkerJson.Default.RegisterReply, static call => call.RequestId, (call, _) =>
        {
            Registrations.Enqueue(call);
            return Task.FromResult(new RegisterReply(
                call.Incarnation, $"token-{call.Incarnation}", "test", IdleTimeoutSecs, OutputLimitBytes, 64 * 1024));
        });
        Post("lease", WorkerJson.Default.LeaseRequest, WorkerJson.Default.LeaseReply, static call => call.RequestId, LeaseAsync);
        Post("renew", WorkerJson.Default.RenewRequest, WorkerJson.Default.RenewReply, static call => call.RequestId, (call, _) =>
        {
            RenewCalls.Enqueue(call);
            return Task.FromResult(new RenewReply(
                [.. call.Leases.Select(lease => new RenewVerdict(lease.TaskId, lease.Epoch, RenewVerdict, LeaseSecs))]));
        });
        Post("settle", WorkerJson.Default.SettleRequest, WorkerJson.Default.SettleReply, static call => call.RequestId, (call, _) =>
        {
            SettleCalls.Enqueue(call);
            return Task.FromResult(new SettleReply([.. call.Results.Select(Record)]));
        });
        Post("output", WorkerJson.Default.OutputRequest, WorkerJson.Default.OutputReply, static call => call.RequestId, (call, _) =>
        {
            OutputCalls.Enqueue(call);
            return Task.FromResult(new OutputReply([.. call.Chunks.Select(Store)]));
        });
        Post("directives", WorkerJson.Default.DirectivesRequest, WorkerJson.Default.DirectivesReply, static call => call.RequestId, async (call, aborted) =>
        {
            DirectiveCalls.Enqueue(call);
            await WaitAsync(() => !_directives.IsEmpty, call.WaitMs, aborted);
            List<Directive> taken = [];
            while (_directives.TryDequeue(out var directive))
            {
                taken.Add(directive);
            }

            return new DirectivesReply([.. taken]);
        });
        Post("drain", WorkerJson.Default.DrainRequest, WorkerJson.Default.DrainReply, static call => call.RequestId, (call, _) =>
        {
            DrainCalls.Enqueue(call);
            var held = _held.Values.Select(static lease => new LeaseRef(lease.TaskId, lease.Epoch, lease.Token)).ToArray();
            var waiting = !_queue.IsEmpty;
            return Task.FromResult(new DrainReply(held is [] && !(waiting && call.Reason == "idle"), held, waiting));
        });
        _app.MapPut("/worker/blobs/{sha256}", async (HttpContext context) =>
        {
            using var body = new MemoryStream();
            await context.Request.Body.CopyToAsync(body, context.RequestAborted);
            Blobs[(string)context.Request.RouteValues["sha256"]!] = body.ToArray();
            context.Response.StatusCode = 204;
        });
    }

    private async Task<LeaseReply> LeaseAsync(LeaseRequest call, CancellationToken aborted)
    {
        LeaseCalls.Enqueue(call);
        await WaitAsync(() => !_queue.IsEmpty, call.WaitMs, aborted);
        List<Lease> given = [];
        while (given.Count < call.Max && _queue.TryDequeue(out var lease))
        {
            _held[(lease.TaskId, lease.Epoch)] = lease;
            given.Add(lease);
        }

        return new LeaseReply([.. given], false);
    }

    private SettleVerdict Record(AttemptResult result)
    {
        var key = (result.Lease.TaskId, result.Lease.Epoch);
        _held.TryRemove(key, out _);
        var first = Results.TryAdd(key, result);
        return new SettleVerdict(result.Lease.TaskId, result.Lease.Epoch, first ? Verdicts.Recorded : Verdicts.Stale);
    }

    private OutputVerdict Store(OutputChunk chunk)
    {
        var stream = _output.GetOrAdd((chunk.Lease.TaskId, chunk.Lease.Epoch), static _ => new MemoryStream());
        lock (stream)
        {
            if (chunk.Offset > stream.Length)
            {
                return new OutputVerdict(chunk.Lease.TaskId, chunk.Lease.Epoch, Verdicts.Gap, stream.Length);
            }

            if (chunk.Offset + chunk.Bytes.Length > stream.Length)
            {
                stream.Write(chunk.Bytes.AsSpan((int)(stream.Length - chunk.Offset)));
            }

            return new OutputVerdict(chunk.Lease.TaskId, chunk.Lease.Epoch, Verdicts.Stored, stream.Length);
        }
    }

    private void Post<TCall, TReply>(
        string path, JsonTypeInfo<TCall> callType, JsonTypeInfo<TReply> replyType, Func<TCall, Guid> requestId, Func<TCall, CancellationToken, Task<TReply>> answer)
        where TReply : class
    {
        _app.MapPost($"/worker/{path}", async (HttpContext context) =>
        {
            var call = (await JsonSerializer.DeserializeAsync(context.Request.Body, callType, context.RequestAborted))!;
            var bearer = context.Request.Headers.Authorization.ToString();
            var known = path == "register" ? bearer == $"Bearer {Key}" : bearer.StartsWith("Bearer token-", StringComparison.Ordinal);
            if (!known || (RefuseTokens && path != "register" && !(HearLate && path == "settle")))
            {
                Interlocked.Increment(ref _refused);
                context.Response.StatusCode = 401;
                return;
            }

            if (Unavailable.ContainsKey(path) || (path == "renew" && RenewVerdict == "503"))
            {
                context.Response.StatusCode = 503;
                return;
            }

            // A repeat gets the answer of the first, also when that was lost on its way.
            if (!_answers.TryGetValue(requestId(call), out var reply))
            {
                try
                {
                    reply = await answer(call, context.RequestAborted);
                }
                catch (OperationCanceledException)
                {
                    return;
                }

                _answers[requestId(call)] = reply;
            }

            if (LoseReplies.TryGetValue(path, out var times) && times > 0 && !IsEmpty(reply))
            {
                LoseReplies[path] = times - 1;
                context.Abort();
                return;
            }

            context.Response.ContentType = "application/json";
            await JsonSerializer.SerializeAsync(context.Response.Body, (TReply)reply, replyType, context.RequestAborted);
        });
    }

    private static bool IsEmpty(object reply) => reply is LeaseReply { Leases: [] };

    private static async Task WaitAsync(Func<bool> fact, int waitMs, CancellationToken aborted)
    {
        var started = TimeProvider.System.GetTimestamp();
        while (!fact() && TimeProvider.System.GetElapsedTime(started).TotalMilliseconds < waitMs)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(2), TimeProvider.System, aborted);
        }
    }
}
