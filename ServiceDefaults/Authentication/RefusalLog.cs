using System.Text.Json;
using System.Threading.Channels;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using Townhall.Contracts.Ledger;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.ServiceDefaults.Authentication;

/// <summary>
/// Refused callers in the ledger: each denial of somebody known, and one entry for each source and minute of those who are
/// not. It never holds up an answer and holds a bounded number; what is beyond that is counted.
/// </summary>
public sealed partial class RefusalLog(IServiceProvider services, TownSettings town, Sources sources, TimeProvider clock, ILogger<RefusalLog> logger)
    : BackgroundService
{
    private const int SourcesMost = 1024;
    private const int DenialsMost = 4096;
    private const int BatchMost = 512;
    private const string Others = "others";
    private static readonly TimeSpan Turn = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan WriteDeadline = TimeSpan.FromSeconds(3);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Count> _unknown = new(StringComparer.Ordinal);
    private readonly Channel<Entry> _denials = Channel.CreateBounded<Entry>(new BoundedChannelOptions(DenialsMost) { SingleReader = true });
    private readonly List<Entry> _unwritten = [];
    private long _uncounted;

    /// <summary>Somebody without a valid credential was refused.</summary>
    public void Unknown(HttpContext context)
    {
        var source = sources.Of(context);
        lock (_gate)
        {
            if (!_unknown.TryGetValue(source, out var count))
            {
                source = _unknown.Count < SourcesMost ? source : Others;
                if (!_unknown.TryGetValue(source, out count))
                {
                    _unknown[source] = count = new Count(clock.GetTimestamp());
                }
            }

            count.Refused++;
        }
    }

    /// <summary>Somebody known was refused for want of a scope.</summary>
    public void Denied(Caller caller, HttpContext context, string scope)
    {
        var operation = $"{context.Request.Method} {(context.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText}";
        if (!_denials.Writer.TryWrite(new(caller.Name, Actions.AccessDenied, Json(("operation", operation), ("scope", scope), ("source", sources.Of(context))))))
        {
            Interlocked.Increment(ref _uncounted);
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Turn, clock);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                await TickAsync(everything: false);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping: what is left is written below.
        }

        await TickAsync(everything: true);
    }

    /// <summary>One turn: writes denials, and counts whose minute is over. What cannot be written now is kept, up to a bound.</summary>
    internal async Task TickAsync(bool everything)
    {
        Collect(everything);
        while (_unwritten.Count > 0)
        {
            var batch = _unwritten[..Math.Min(BatchMost, _unwritten.Count)];
            if (!await WriteAsync(batch))
            {
                return;
            }

            _unwritten.RemoveRange(0, batch.Count);
        }
    }

    private void Collect(bool everything)
    {
        while (_unwritten.Count < DenialsMost && _denials.Reader.TryRead(out var denial))
        {
            _unwritten.Add(denial);
        }

        if (_unwritten.Count >= DenialsMost)
        {
            return;     // the counts go on where they are
        }

        if (Interlocked.Exchange(ref _uncounted, 0) is > 0 and var more)
        {
            _unwritten.Add(new("anonymous", Actions.AccessDenied, Json(("count", more), ("source", Others))));
        }

        lock (_gate)
        {
            foreach (var (source, count) in _unknown.Where(one => everything || clock.GetElapsedTime(one.Value.Since) >= Minute).ToArray())
            {
                _unknown.Remove(source);
                _unwritten.Add(new("anonymous", Actions.AuthenticationRefused, Json(("source", source), ("count", count.Refused))));
            }
        }
    }

    private async Task<bool> WriteAsync(List<Entry> batch)
    {
        try
        {
            using var deadline = new CancellationTokenSource(WriteDeadline, clock);
            await using var command = services.GetRequiredService<NpgsqlDataSource>().CreateCommand("""
                INSERT INTO ledger_pending (town, actor, action, outcome, detail)
                SELECT $1, actor, action, $5, detail FROM unnest($2, $3, $4) AS entry (actor, action, detail)
                """);
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
            command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = [.. batch.Select(static one => one.Actor)] });
            command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = [.. batch.Select(static one => one.Action)] });
            command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = [.. batch.Select(static one => one.Detail)] });
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = Outcomes.Denied });
            await command.ExecuteNonQueryAsync(deadline.Token);
            return true;
        }
        catch (Exception away) when (away is NpgsqlException or TimeoutException or OperationCanceledException)
        {
            LogAway(batch.Count, away.GetType().Name);
            return false;
        }
    }

    private static string Json(params ReadOnlySpan<(string Name, object Value)> members)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            foreach (var (name, value) in members)
            {
                if (value is long number)
                {
                    json.WriteNumber(name, number);
                }
                else
                {
                    json.WriteString(name, (string)value);
                }
            }

            json.WriteEndObject();
        }

        return System.Text.Encoding.UTF8.GetString(buffer.GetBuffer().AsSpan(0, (int)buffer.Length));
    }

    [LoggerMessage(LogLevel.Warning, "{Count} refusals are not in the ledger yet ({Reason}); tried again in a second")]
    private partial void LogAway(int count, string reason);

    private sealed record Entry(string Actor, string Action, string Detail);

    private sealed class Count(long since)
    {
        public readonly long Since = since;
        public long Refused;
    }
}
