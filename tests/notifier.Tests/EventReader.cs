using System.Globalization;
using System.Text;
using System.Text.Json;
using Townhall.Testing;

namespace Townhall.Notifier.Tests;

/// <param name="Id">Null when the event carried none.</param>
internal sealed record ServerEvent(long? Id, string Name, string Data)
{
    public JsonElement Json => JsonDocument.Parse(Data).RootElement;
}

/// <summary>A listener written after the HTML standard's chapter on server-sent events, and nothing else.</summary>
internal sealed class EventReader : IAsyncDisposable
{
    private readonly HttpResponseMessage _answer;
    private readonly StreamReader _lines;
    private readonly CancellationToken _deadline;

    private EventReader(HttpResponseMessage answer, Stream body, CancellationToken deadline)
    {
        _answer = answer;
        _lines = new StreamReader(body, Encoding.UTF8);
        _deadline = deadline;
    }

    /// <summary>The position a browser would send when it reconnects.</summary>
    public long? LastEventId { get; private set; }

    public int? RetryMs { get; private set; }

    public int Comments { get; private set; }

    public static async Task<EventReader> OpenAsync(
        ServiceProcess service, CancellationToken deadline, string query = "", long? lastEventId = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/events" + query);
        if (lastEventId is { } position)
        {
            request.Headers.Add("Last-Event-ID", position.ToString(CultureInfo.InvariantCulture));
        }

        var answer = await service.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, deadline);
        answer.EnsureSuccessStatusCode();
        Assert.Equal("text/event-stream", answer.Content.Headers.ContentType?.MediaType);
        return new EventReader(answer, await answer.Content.ReadAsStreamAsync(deadline), deadline) { LastEventId = lastEventId };
    }

    /// <summary>The next event; null when the stream has ended.</summary>
    public async Task<ServerEvent?> NextAsync()
    {
        var data = new StringBuilder();
        var name = "message";
        long? id = null;
        try
        {
            while (await _lines.ReadLineAsync(_deadline) is { } line)
            {
                switch (line.Split(": ", 2))
                {
                    case [""] when data.Length > 0:
                        return new ServerEvent(id, name, data.ToString());
                    case [""]:
                        (name, id) = ("message", null);
                        break;
                    case ["", _]:
                        Comments++;
                        break;
                    case ["id", var text]:
                        var position = long.Parse(text, CultureInfo.InvariantCulture);
                        Assert.True(LastEventId is null || position > LastEventId, "ids rise");
                        (id, LastEventId) = (position, position);
                        break;
                    case ["event", var text]:
                        name = text;
                        break;
                    case ["data", var text]:
                        data.Append(text);
                        break;
                    case ["retry", var text]:
                        RetryMs = int.Parse(text, CultureInfo.InvariantCulture);
                        break;
                    case var other:
                        Assert.Fail($"Not a line of an event stream: {string.Join(": ", other)}");
                        break;
                }
            }
        }
        catch (Exception broken) when (broken is IOException or HttpRequestException)
        {
            return null;    // the service was killed
        }

        return null;
    }

    /// <summary>The positions of the next events, as many as asked for.</summary>
    public async Task<List<long>> TakeAsync(int count)
    {
        var ids = new List<long>(count);
        while (ids.Count < count)
        {
            var next = await NextAsync();
            Assert.NotNull(next);
            ids.Add(next.Id!.Value);
        }

        return ids;
    }

    public ValueTask DisposeAsync()
    {
        _lines.Dispose();
        _answer.Dispose();
        return ValueTask.CompletedTask;
    }
}
