using Npgsql;
using Townhall.ServiceDefaults.Health;
using Townhall.ServiceDefaults.Redis;

namespace Townhall.Api.Town;

/// <summary>What the town stands on, as it was found at one moment.</summary>
/// <param name="RedisLatency">Null: Redis does not answer.</param>
/// <param name="Stored">Postgres answers, and takes a write.</param>
/// <param name="RedisFault">Why a Redis that answers is not one that a town can rely on; null when it is.</param>
/// <param name="LedgerAlarm">Why the ledger is not the one that was kept; null when it is, or nobody could ask.</param>
internal sealed record Standing(TimeSpan? RedisLatency, bool Stored, string? RedisFault, string? LedgerAlarm)
{
    private const string RedisAway = "Redis does not answer; work goes on through Postgres, more slowly.";

    /// <summary>What is the matter, telling a stranger no more than which part it is; null when nothing is.</summary>
    public string? Words =>
        // Worse than anything that is merely away: the town does no work before somebody decides.
        LedgerAlarm is not null ? "The ledger is not the one that was kept; nothing is sealed and no work is given out."
        : (Redis: RedisLatency is not null, Stored) switch
        {
            (true, true) => RedisFault is null ? null : "Redis answers, but a town cannot rely on it.",
            (false, true) => RedisAway,
            (true, false) => "The database does not answer.",
            (false, false) => "Neither the database nor Redis answers.",
        };

    /// <summary>All that is the matter, with its reasons, for who may read the town; empty when nothing is.</summary>
    public IReadOnlyList<string> Troubles =>
    [
        .. LedgerAlarm is null ? Array.Empty<string>() : [$"The ledger is not the one that was kept: {LedgerAlarm}"],
        .. Stored ? Array.Empty<string>() : ["The database does not answer, or takes no writes."],
        .. RedisLatency is null ? [RedisAway] : RedisFault is null ? Array.Empty<string>() : [RedisFault],
    ];
}

/// <summary>Looks at Postgres, Redis and the ledger at most once a second, however many ask: a flood of probes costs nothing.</summary>
internal sealed class Readiness(RedisDoor redis, DatabaseReadiness database, Footing footing, TownStore store, TimeProvider clock)
{
    private static readonly TimeSpan AlarmDeadline = TimeSpan.FromSeconds(1);
    private readonly SharedReading<Standing> _shared = new(TimeSpan.FromSeconds(1), clock);

    /// <returns>What was found less than a second ago, or is found now.</returns>
    public Task<Standing> ReadAsync(CancellationToken cancellationToken) => _shared.ReadAsync(LookAsync, cancellationToken);

    private async Task<Standing> LookAsync()
    {
        var ping = redis.PingAsync();
        var stored = await database.AskAsync();
        if (!stored)
        {
            return new(await ping, stored, footing.RedisFault, null);
        }

        using var bound = new CancellationTokenSource(AlarmDeadline, clock);
        try
        {
            return new(await ping, stored, footing.RedisFault, await store.LedgerAlarmAsync(bound.Token));
        }
        catch (Exception away) when (away is NpgsqlException or OperationCanceledException or TimeoutException)
        {
            // It answered a moment ago and does not now.
            return new(await ping, Stored: false, footing.RedisFault, null);
        }
    }
}
