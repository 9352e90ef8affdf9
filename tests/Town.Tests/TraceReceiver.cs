using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Text;
using Townhall.Testing;

namespace Townhall.Town.Tests;

internal sealed record Span(string Service, string Name, string Trace, string Id, string Parent);

/// <summary>An OTLP collector on loopback, http/protobuf, that remembers every span and the name of every metric.</summary>
internal sealed class TraceReceiver : IAsyncDisposable
{
    private readonly HttpListener _listener = new();
    private readonly ConcurrentQueue<Span> _spans = new();
    private readonly ConcurrentDictionary<string, bool> _metrics = new(StringComparer.Ordinal);
    private readonly Task _serving;

    private TraceReceiver(string address)
    {
        Address = address;
        _listener.Prefixes.Add(address + "/");
        _listener.Start();
        _serving = ServeAsync();
    }

    public string Address { get; }

    public IReadOnlyCollection<Span> Spans => _spans;

    public IReadOnlySet<string> Metrics => _metrics.Keys.ToHashSet(StringComparer.Ordinal);

    public static TraceReceiver Start() => new(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{Ports.Free()}"));

    public async ValueTask DisposeAsync()
    {
        _listener.Close();
        await _serving;
    }

    private async Task ServeAsync()
    {
        try
        {
            while (true)
            {
                var call = await _listener.GetContextAsync();
                using var body = new MemoryStream();
                await call.Request.InputStream.CopyToAsync(body);
                if (call.Request.Url!.AbsolutePath == "/v1/traces")
                {
                    Read(body.ToArray());
                }
                else if (call.Request.Url.AbsolutePath == "/v1/metrics")
                {
                    ReadMetrics(body.ToArray());
                }

                call.Response.ContentType = "application/x-protobuf";
                call.Response.Close();
            }
        }
        catch (Exception closed) when (closed is HttpListenerException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    // Field numbers: https://github.com/open-telemetry/opentelemetry-proto/blob/v1.5.0/opentelemetry/proto/trace/v1/trace.proto
    private void Read(ReadOnlyMemory<byte> request)
    {
        foreach (var resourceSpans in Fields(request, 1))
        {
            var service = Fields(resourceSpans, 1).SelectMany(static resource => Fields(resource, 1))
                .Where(static pair => Text(pair, 1) == "service.name").SelectMany(static pair => Fields(pair, 2)).Select(static value => Text(value, 1)).FirstOrDefault("");
            foreach (var span in Fields(resourceSpans, 2).SelectMany(static scope => Fields(scope, 2)))
            {
                _spans.Enqueue(new(service, Text(span, 5), Hex(span, 1), Hex(span, 2), Hex(span, 4)));
            }
        }
    }

    // https://github.com/open-telemetry/opentelemetry-proto/blob/v1.5.0/opentelemetry/proto/metrics/v1/metrics.proto
    private void ReadMetrics(ReadOnlyMemory<byte> request)
    {
        foreach (var metric in Fields(request, 1).SelectMany(static resource => Fields(resource, 2)).SelectMany(static scope => Fields(scope, 2)))
        {
            _metrics[Text(metric, 1)] = true;
        }
    }

    private static string Hex(ReadOnlyMemory<byte> message, int field) => Convert.ToHexStringLower(Fields(message, field).FirstOrDefault().Span);

    private static string Text(ReadOnlyMemory<byte> message, int field) => Encoding.UTF8.GetString(Fields(message, field).FirstOrDefault().Span);

    /// <summary>Every occurrence of a length-delimited field.</summary>
    private static List<ReadOnlyMemory<byte>> Fields(ReadOnlyMemory<byte> message, int wanted)
    {
        var found = new List<ReadOnlyMemory<byte>>();
        var bytes = message.Span;
        for (var at = 0; at < bytes.Length;)
        {
            var key = Varint(bytes, ref at);
            switch (key & 7)
            {
                case 0:
                    Varint(bytes, ref at);
                    break;
                case 1:
                    at += 8;
                    break;
                case 2:
                    var length = (int)Varint(bytes, ref at);
                    if ((int)(key >> 3) == wanted)
                    {
                        found.Add(message.Slice(at, length));
                    }

                    at += length;
                    break;
                case 5:
                    at += 4;
                    break;
                default:
                    throw new InvalidDataException($"There is no protobuf wire type {key & 7}.");
            }
        }

        return found;
    }

    private static ulong Varint(ReadOnlySpan<byte> bytes, ref int at)
    {
        ulong value = 0;
        for (var shift = 0; ; shift += 7)
        {
            var one = bytes[at++];
            value |= (ulong)(one & 0x7f) << shift;
            if (one < 0x80)
            {
                return value;
            }
        }
    }
}
