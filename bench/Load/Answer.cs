using System.Buffers.Text;
using System.Text;

namespace Townhall.Bench.Load;

/// <summary>Reads one HTTP/1.1 answer out of received bytes.</summary>
internal static class Answer
{
    /// <summary>False while bytes are missing.</summary>
    /// <param name="status">Its status code.</param>
    /// <param name="body">What lies behind the headers; of a chunked answer with the chunk sizes in between.</param>
    public static bool TryRead(ReadOnlySpan<byte> received, out int status, out ReadOnlySpan<byte> body)
    {
        status = 0;
        body = default;
        var end = received.IndexOf("\r\n\r\n"u8);
        if (end < 0)
        {
            return false;
        }

        var head = received[..(end + 2)];
        body = received[(end + 4)..];
        if (!Utf8Parser.TryParse(head[9..], out status, out _))
        {
            throw new NotMeasuredException($"This is no HTTP answer: {Encoding.UTF8.GetString(head)}");
        }

        return Header(head, "Content-Length: "u8) is { } length
            ? body.Length >= length
            : body.EndsWith("0\r\n\r\n"u8);     // chunked: one call is in flight, so nothing can follow the last chunk
    }

    /// <summary>The id in <c>"task_id":"…"</c>.</summary>
    public static Guid TaskId(ReadOnlySpan<byte> body)
    {
        var at = body.IndexOf("\"task_id\":\""u8);
        return at >= 0 && Utf8Parser.TryParse(body[(at + 11)..], out Guid id, out _)
            ? id
            : throw new NotMeasuredException($"No task id in the answer: {Encoding.UTF8.GetString(body)}");
    }

    private static int? Header(ReadOnlySpan<byte> head, ReadOnlySpan<byte> name)
    {
        var at = head.IndexOf(name);
        return at >= 0 && Utf8Parser.TryParse(head[(at + name.Length)..], out int value, out _) ? value : null;
    }
}
