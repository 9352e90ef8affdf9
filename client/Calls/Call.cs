using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Townhall.Client.Calls;

/// <summary>What a second try of a call may do.</summary>
internal enum Repeat
{
    /// <summary>Nothing more than the first did.</summary>
    Harmless,

    /// <summary>Nothing either, because the town knows the call by its key.</summary>
    Keyed,

    /// <summary>The thing again: only what surely was not begun is tried again.</summary>
    Doubles,
}

/// <summary>One request as often as it takes; its body is written once.</summary>
internal sealed record Call(HttpMethod Method, string Path, Repeat Repeat, byte[]? Body = null)
{
    private readonly string? _key = Repeat == Repeat.Keyed ? Guid.NewGuid().ToString() : null;

    /// <summary>Of the body.</summary>
    public string ContentType { get; init; } = "application/json";

    /// <summary>Headers that only this call has.</summary>
    public Action<HttpRequestMessage>? Dress { get; init; }

    public static Call Get(string path) => new(HttpMethod.Get, path, Repeat.Harmless);

    public static Call Post(string path, Repeat repeat) => new(HttpMethod.Post, path, repeat);

    public static Call Post<T>(string path, Repeat repeat, T body, JsonTypeInfo<T> type) =>
        new(HttpMethod.Post, path, repeat, JsonSerializer.SerializeToUtf8Bytes(body, type));

    public static Call Put<T>(string path, T body, JsonTypeInfo<T> type) =>
        new(HttpMethod.Put, path, Repeat.Harmless, JsonSerializer.SerializeToUtf8Bytes(body, type));

    public static Call Patch(string path, byte[] body) => new(HttpMethod.Patch, path, Repeat.Harmless, body);

    /// <summary>A repeated removal finds nothing to remove, and would say so of the first one's success.</summary>
    public static Call Delete(string path) => new(HttpMethod.Delete, path, Repeat.Doubles);

    public HttpRequestMessage Message()
    {
        var message = new HttpRequestMessage(Method, Path);
        if (Body is not null)
        {
            message.Content = new ByteArrayContent(Body) { Headers = { ContentType = new(ContentType) } };
        }

        if (_key is not null)
        {
            message.Headers.Add("Idempotency-Key", _key);
        }

        Dress?.Invoke(message);
        return message;
    }
}
