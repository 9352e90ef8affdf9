using System.Globalization;
using System.Net.Http.Headers;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Townhall.Client.Calls;
using Townhall.Client.Following;

namespace Townhall.Client;

/// <summary>A piece of what an attempt printed.</summary>
/// <param name="Offset">Bytes of this attempt before it.</param>
public readonly record struct OutputPiece(int Attempt, long Offset, ReadOnlyMemory<byte> Bytes);

public sealed partial class TownClient
{
    /// <summary>Every event a query finds, once and in order, over lost connections, until the caller stops.</summary>
    /// <param name="notice">Told in a sentence when the connection is lost and when it is back; null to tell nobody.</param>
    /// <exception cref="TownException">The town refused, never answered, or was away for five minutes.</exception>
    public async IAsyncEnumerable<StreamItem> FollowEventsAsync(
        EventQuery query, Action<string>? notice, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(query);
        var path = "events" + new Query()
            .Add("agent", query.Agent).Add("task", query.Task?.ToString())
            .Add("action", query.Actions.Count == 0 ? null : string.Join(',', query.Actions));
        var follow = new EventFollow((after, stop) => OpenEventsAsync(path, after, stop), _options.Clock, notice ?? (static _ => { }));
        await foreach (var block in follow.RunAsync(query.After, cancellationToken))
        {
            var position = long.TryParse(block.Id, NumberStyles.None, CultureInfo.InvariantCulture, out var seq) ? seq : (long?)null;
            switch (block)
            {
                case { Type: "message", Data: { } data }:
                    yield return new StreamItem(position, Event: Parse(data));
                    break;
                case { Type: "gap", Data: { } gap }:
                    yield return new StreamItem(position, Gap: gap);
                    break;
                default:
                    yield return new StreamItem(position);
                    break;
            }
        }
    }

    /// <inheritdoc cref="FollowEventsAsync(EventQuery, Action{string}?, CancellationToken)"/>
    public IAsyncEnumerable<StreamItem> FollowEventsAsync(EventQuery query, CancellationToken cancellationToken) =>
        FollowEventsAsync(query, null, cancellationToken);

    /// <summary>What a task printed, each byte once, from its newest attempt on.</summary>
    /// <param name="follow">True: until the task has ended, over lost connections and new attempts.</param>
    /// <param name="notice">Told in a sentence when the connection is lost and when it is back; null to tell nobody.</param>
    /// <exception cref="TownException">The town refused, or was away for five minutes.</exception>
    public IAsyncEnumerable<OutputPiece> FollowOutputAsync(
        AgentTask task, bool follow, Action<string>? notice, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(task);
        return new OutputFollow(this, _options.Clock, notice ?? (static _ => { })).ReadAsync(task, follow, cancellationToken);
    }

    private Task<Stream> OpenEventsAsync(string path, string? after, CancellationToken cancellationToken) => OpenAsync(
        Call.Get(path) with
        {
            Dress = message =>
            {
                message.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("text/event-stream"));
                if (after is not null)
                {
                    message.Headers.Add("Last-Event-ID", after);
                }
            },
        },
        cancellationToken);

    private static TownEvent Parse(string data)
    {
        try
        {
            return JsonSerializer.Deserialize(data, AnswerJson.Default.TownEvent) ?? throw new TownAnswerException("An event says null.", null);
        }
        catch (JsonException unexpected)
        {
            throw new TownAnswerException($"An event is not what this version knows: {unexpected.Message}", unexpected);
        }
    }
}
