using Npgsql;
using StackExchange.Redis;
using Townhall.ServiceDefaults.Health;
using Townhall.ServiceDefaults.Redis;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Api.Metrics;

/// <summary>One reading that all callers share.</summary>
/// <param name="RedisLatency">Null while Redis does not answer; then the stream's depth is not known either.</param>
/// <param name="ReadAt">On this process' own clock.</param>
internal sealed record MetricReading(MetricFacts Facts, AgentFacts Agents, TimeSpan? RedisLatency, long? StreamDepth, long ReadAt);

/// <summary>Reads at most once a second, however many ask, and folds the ledger in meanwhile. What costs a look at every agent is read at
/// most every ten seconds, so that no interval of scraping makes it a load.</summary>
internal sealed partial class MetricSnapshot(MetricStore store, RedisDoor redis, TownSettings town, TimeProvider clock, ILogger<MetricSnapshot> logger)
    : BackgroundService
{
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan AgentsFresh = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan ReadDeadline = TimeSpan.FromSeconds(2);
    private readonly SharedReading<MetricReading?> _shared = new(Fresh, clock);
    private (AgentFacts Facts, long At)? _agents;
    private bool _failing;

    /// <returns>A reading at most a second old when it was asked for; null when the database does not say.</returns>
    public Task<MetricReading?> ReadAsync(CancellationToken cancellationToken) => _shared.ReadAsync(ReadAnewAsync, cancellationToken);

    /// <summary>Folds what the ledger gained, once a second; a long way is gone in bounded turns.</summary>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Fresh, clock);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                await TurnAsync(stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping: the normal way out of the loop.
        }
    }

    private async Task TurnAsync(CancellationToken cancellationToken)
    {
        try
        {
            while (await store.FoldAsync(cancellationToken) == MetricStore.FoldMost)
            {
                cancellationToken.ThrowIfCancellationRequested();
            }
        }
        catch (NpgsqlException away)
        {
            Away(away);
        }
    }

    private async Task<MetricReading?> ReadAnewAsync()
    {
        using var deadline = new CancellationTokenSource(ReadDeadline);
        try
        {
            var ping = redis.PingAsync();
            var depth = DepthAsync();
            var facts = await store.ReadAsync(deadline.Token).WaitAsync(deadline.Token);
            if (_agents is not { } known || clock.GetElapsedTime(known.At) >= AgentsFresh)
            {
                // Only one reading is under way at a time, so nobody else sets this.
                known = (await store.ReadAgentsAsync(deadline.Token).WaitAsync(deadline.Token), clock.GetTimestamp());
                _agents = known;
            }

            var latency = await ping;
            _failing = false;
            return new(facts, known.Facts, latency, await depth, clock.GetTimestamp());
        }
        catch (Exception away) when (away is NpgsqlException or OperationCanceledException or TimeoutException)
        {
            Away(away);
            return null;
        }
    }

    private async Task<long?> DepthAsync()
    {
        try
        {
            var (answered, length) = await redis.AskAsync(database => database.ExecuteAsync("XLEN", (RedisKey)$"town:{town.Name}:startable"));
            return answered && length is not null ? (long)length : null;
        }
        catch (RedisServerException)
        {
            return null;    // something else stands at this key: how deep the stream is, nobody knows
        }
    }

    private void Away(Exception away)
    {
        if (!_failing)
        {
            _failing = true;
            LogAway(away.GetType().Name);
        }
    }

    [LoggerMessage(LogLevel.Warning, "The database does not answer ({Reason}); /metrics says 503 until it does")]
    private partial void LogAway(string reason);
}
