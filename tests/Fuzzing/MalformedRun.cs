using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Townhall.Fuzzing;

/// <summary>What malformed requests were answered; <c>closed</c> is an end without an answer.</summary>
public sealed record MalformedReport(int Sent, IReadOnlyDictionary<string, int> Answers, IReadOnlyList<string> Failures);

/// <summary>Bytes that are nearly HTTP, over raw sockets: never a failure of ours, and never somebody else's answer.</summary>
public static class MalformedRun
{
    private const string Canary = "/canary-";
    private static readonly TimeSpan AnswerMost = TimeSpan.FromSeconds(3);

    private static readonly string[] Seeds =
    [
        "GET /health HTTP/1.1\r\nHost: {h}\r\n\r\n",
        "GET /v1/agents?limit=2 HTTP/1.1\r\nHost: {h}\r\nConnection: keep-alive\r\n\r\n",
        "POST /v1/agents HTTP/1.1\r\nHost: {h}\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
        "POST /v1/agents HTTP/1.1\r\nHost: {h}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "POST /v1/recover HTTP/1.1\r\nHost: {h}\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcde",
        "POST /v1/recover HTTP/1.1\r\nHost: {h}\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
        "POST /v1/recover HTTP/1.1\r\nHost: {h}\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "POST /v1/recover HTTP/1.1\r\nHost: {h}\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: {h}\r\nX-Folded: a\r\n b\r\n\r\n",
        "GET http://evil.example/health HTTP/1.1\r\nHost: {h}\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: {h}\r\nHost: evil.example\r\n\r\n",
        "GET /health HTTP/1.1\r\n\r\n",
        "GET /health HTTP/1.0\r\n\r\n",
        "GET /health HTTP/2.0\r\nHost: {h}\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "TRACE /health HTTP/1.1\r\nHost: {h}\r\n\r\n",
        "CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: {h}\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: {h}\r\n\r\n",
        "G\0T /health HTTP/1.1\r\nHost: {h}\r\n\r\n",
        "GET /%00 HTTP/1.1\r\nHost: {h}\r\n\r\n",
        "GET /health\r\nHost: {h}\r\n\r\n",
        "GET /health HTTP/1.1\nHost: {h}\n\n",
        "GET  /health  HTTP/1.1\r\nHost: {h}\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: {h}\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: {h}\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
        "GET /events HTTP/1.1\r\nHost: {h}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n",
        "POST /v1/agents HTTP/1.1\r\nHost: {h}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2;a=\nb\r\n{}\r\n0\r\n\r\n",
        "POST /v1/agents HTTP/1.1\r\nHost: {h}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}",
        "POST /v1/agents HTTP/1.1\r\nHost: {h}\r\nContent-Type: application/json\r\nContent-Length: -1\r\n\r\n",
        "POST /v1/agents HTTP/1.1\r\nHost: {h}\r\nContent-Type: application/json\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: {h}\r\n: empty\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: {h}\r\nX\u0001: a\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: {h}\r\nX: a\0b\r\n\r\n",
        "\r\n\r\nGET /health HTTP/1.1\r\nHost: {h}\r\n\r\n",
        "\u0016\u0003\u0001\u0002\0\u0001\0\u0001\u00fc\u0003\u0003",
        "GET /../../etc/passwd HTTP/1.1\r\nHost: {h}\r\n\r\n",
        "GET /internal/ready HTTP/1.1\r\nHost: {h}\r\nX-Original-URL: /health\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: {h}\r\nConnection: Host, X-Forwarded-For\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: {h}\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        "GET /openapi/v1.json HTTP/1.1\r\nHost: {h}\r\nRange: bytes=0-0,1-1,2-2\r\n\r\n",
    ];

    public static async Task<MalformedReport> RunAsync(FuzzTown town, int seed, int count, CancellationToken deadline)
    {
        var answers = new ConcurrentDictionary<string, int>(StringComparer.Ordinal);
        var failures = new ConcurrentQueue<string>();
        await Parallel.ForAsync(0, count, new ParallelOptions { MaxDegreeOfParallelism = 16, CancellationToken = deadline }, async (index, cancellationToken) =>
        {
            var random = new Random(unchecked((seed * 1_000_003) + index));
            var address = random.Next(2) == 0 ? town.Edge.Address : town.Townhall.Address;
            var bytes = Mutate(Seeds[index % Seeds.Length].Replace("{h}", address.Authority, StringComparison.Ordinal), random, index);
            var answer = await AskAsync(address, bytes, cancellationToken);
            var status = answer.Length == 0 ? "closed" : answer.StartsWith("HTTP/1.1 ", StringComparison.Ordinal) ? answer.Substring(9, 3) : "other";
            answers.AddOrUpdate(status, 1, static (_, seen) => seen + 1);
            // 501 and 505 are refusals of what HTTP has and we do not offer.
            if ((status.StartsWith('5') && status is not ("501" or "505")) || answer.Contains(Canary, StringComparison.Ordinal) && !answer.Contains($"{Canary}{index}.", StringComparison.Ordinal))
            {
                failures.Enqueue($"seed {seed} malformed {index} at {address}: {Escaped(answer)}\n  printf '{Escaped(Encoding.Latin1.GetString(bytes))}' | nc {address.Host} {address.Port}");
            }
        });
        foreach (var service in town.Services.Where(static one => one.Process.HasExited))
        {
            failures.Enqueue($"{service.Process.Name} ended with {service.Process.ExitCode}.\n{service.Process.Log}");
        }

        return new(count, answers.OrderBy(static one => one.Key, StringComparer.Ordinal).ToDictionary(), [.. failures]);
    }

    /// <summary>Changes a few bytes, and appends a request whose answer would show that two connections were mixed up.</summary>
    private static byte[] Mutate(string request, Random random, int index)
    {
        var bytes = Encoding.Latin1.GetBytes(request).ToList();
        for (var i = random.Next(4); i > 0 && bytes.Count > 0; i--)
        {
            var at = random.Next(bytes.Count);
            switch (random.Next(5))
            {
                case 0:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 1:
                    bytes.RemoveAt(at);
                    break;
                case 2:
                    bytes.Insert(at, (byte)"\r\n\0 :;,\t\"%"[random.Next(10)]);
                    break;
                case 3:
                    bytes.InsertRange(at, Enumerable.Repeat((byte)'a', random.Next(2000)));
                    break;
                default:
                    bytes.RemoveRange(at, Math.Min(bytes.Count - at, random.Next(40)));
                    break;
            }
        }

        bytes.AddRange(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"GET {Canary}{index}. HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")));
        return [.. bytes];
    }

    /// <summary>The first 4 KiB of what came back; empty when the connection was closed without a word.</summary>
    private static async Task<string> AskAsync(Uri address, byte[] bytes, CancellationToken cancellationToken)
    {
        using var late = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        late.CancelAfter(AnswerMost);
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        var read = 0;
        var buffer = new byte[4096];
        try
        {
            await socket.ConnectAsync(new IPEndPoint(IPAddress.Loopback, address.Port), late.Token);
            await socket.SendAsync(bytes, late.Token);
            socket.Shutdown(SocketShutdown.Send);
            while (read < buffer.Length && await socket.ReceiveAsync(buffer.AsMemory(read), late.Token) is > 0 and var some)
            {
                read += some;
            }
        }
        catch (SocketException)
        {
            // Closed on us: an answer, too.
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // It waits for more, which never comes; its own time-outs end that.
        }

        return Encoding.Latin1.GetString(buffer, 0, read);
    }

    private static string Escaped(string text) =>
        string.Concat((text.Length > 1500 ? text[..1500] : text).Select(static one => one is >= ' ' and < '\x7f' and not '\'' and not '\\' and not '%' ? one.ToString() : $"\\x{(int)one:x2}"));
}
