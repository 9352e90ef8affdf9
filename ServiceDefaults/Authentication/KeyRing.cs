using System.Collections.Frozen;
using System.Security.Cryptography;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using Townhall.Contracts.Ids;
using Townhall.Contracts.Keys;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.ServiceDefaults.Authentication;

/// <summary>
/// The named keys of a town, in memory and never older than <see cref="Usable"/>: a revoked key is refused at most 5 s later
/// by every process, and a call costs no round trip. While the database is away nothing is remembered past that.
/// </summary>
internal sealed partial class KeyRing(IServiceProvider services, TownSettings town, TimeProvider clock, ILogger<KeyRing> logger) : BackgroundService
{
    /// <summary>So old, what is known is used while somebody looks again.</summary>
    public static readonly TimeSpan Fresh = TimeSpan.FromSeconds(2);

    /// <summary>Older, nobody relies on it.</summary>
    public static readonly TimeSpan Usable = TimeSpan.FromSeconds(4);

    /// <summary>Between two looks that unknown keys caused, however many there are.</summary>
    private static readonly TimeSpan BetweenMisses = TimeSpan.FromMilliseconds(100);

    /// <summary>Of a look by itself; a request that waits has its own deadline.</summary>
    private static readonly TimeSpan LookDeadline = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan NoteUseEvery = TimeSpan.FromSeconds(60);
    private static readonly byte[] Nobody = new byte[KeyFormat.HashBytes];

    private readonly Lock _gate = new();
    private Known _known = Known.Nothing;
    private Task<bool>? _running;
    private Task<bool>? _next;
    private long _beganAt;
    private int _open;
    private long _notedAt;

    /// <summary>Whether any named key lives, as far as is known.</summary>
    public bool HasAny => Volatile.Read(ref _known).Keys.Count > 0;

    /// <summary>Judges a key by what is known.</summary>
    /// <returns>False when nothing recent enough is known about it: then <see cref="LookAsync"/>, and ask again.</returns>
    public bool TryJudge(ulong id, ReadOnlySpan<byte> hash, out Caller? caller)
    {
        caller = null;
        var known = Volatile.Read(ref _known);
        var age = known.ReadAt is { } readAt ? clock.GetElapsedTime(readAt) : TimeSpan.MaxValue;
        if (age > Usable)
        {
            return false;
        }

        if (age > Fresh)
        {
            Refresh();
        }

        // The same work for an id that nobody has.
        var found = known.Keys.GetValueOrDefault(id);
        if (!CryptographicOperations.FixedTimeEquals(hash, found?.Hash ?? Nobody) || found is null)
        {
            return found is not null;
        }

        if (!found.EndsBefore(known.DatabaseAt + age))
        {
            found.UsedAt = 1;
            caller = found.Caller;
        }

        return true;
    }

    /// <summary>Looks once more; everybody who asks while a look waits shares it.</summary>
    /// <returns>Whether it went well. The look began after this was called.</returns>
    public Task<bool> LookAsync()
    {
        lock (_gate)
        {
            if (_running is { IsCompleted: false } running)
            {
                return _next ??= AfterAsync(running);
            }

            return _next is not null ? _next
                : RecentlyBegan() ? _next = AfterAsync(Task.CompletedTask)
                : _running = RunAsync();
        }
    }

    /// <summary>Looks without being waited for, once; a failure is told to whoever waits for a look, and that is everybody from <see cref="Usable"/> on.</summary>
    private void Refresh()
    {
        lock (_gate)
        {
            if (_running is not { IsCompleted: false } && !RecentlyBegan())
            {
                _running = RunAsync();
            }
        }
    }

    private bool RecentlyBegan() => _beganAt != 0 && clock.GetElapsedTime(_beganAt) < BetweenMisses;

    /// <summary>Keeps looking, so that <see cref="Caller.Ended"/> is told in time, until it is disposed.</summary>
    public IDisposable KeepLooking()
    {
        Interlocked.Increment(ref _open);
        return new Closing(this);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1), clock);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                await TickAsync(stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping; last uses of the last minute stay untold.
        }
    }

    /// <summary>One turn: ends callers whose key has ended, and tells once a minute which keys were used. Idle, it asks nothing.</summary>
    internal async Task TickAsync(CancellationToken cancellationToken)
    {
        if (Volatile.Read(ref _open) > 0)
        {
            var known = Volatile.Read(ref _known);
            if (known.ReadAt is not { } readAt || (clock.GetElapsedTime(readAt) > Fresh && !await LookAsync() && clock.GetElapsedTime(readAt) > Usable))
            {
                Replace(Known.Nothing);     // what cannot be checked is over
            }

            known = Volatile.Read(ref _known);
            foreach (var key in known.Keys.Values)
            {
                if (known.ReadAt is { } at && key.EndsBefore(known.DatabaseAt + clock.GetElapsedTime(at)))
                {
                    key.End();
                }
            }
        }

        if (_notedAt == 0 || clock.GetElapsedTime(_notedAt) >= NoteUseEvery)
        {
            _notedAt = clock.GetTimestamp();
            await NoteUsesAsync(cancellationToken);
        }
    }

    private async Task<bool> AfterAsync(Task before)
    {
        await before;
        await Task.Delay(BetweenMisses, clock, CancellationToken.None);
        Task<bool> look;
        lock (_gate)
        {
            _next = null;
            _running = look = RunAsync();
        }

        return await look;
    }

    private async Task<bool> RunAsync()
    {
        Volatile.Write(ref _beganAt, clock.GetTimestamp());
        await Task.Yield();
        try
        {
            using var deadline = new CancellationTokenSource(LookDeadline, clock);
            Replace(await ReadAsync(Volatile.Read(ref _known), deadline.Token));
            return true;
        }
        catch (Exception away) when (away is NpgsqlException or TimeoutException or OperationCanceledException)
        {
            LogAway(away.GetType().Name);
            return false;
        }
    }

    /// <summary>One row when nothing changed; all living keys when something did.</summary>
    private async Task<Known> ReadAsync(Known known, CancellationToken cancellationToken)
    {
        var readAt = clock.GetTimestamp();      // before asking: what is read may be newer, never older
        await using var command = services.GetRequiredService<NpgsqlDataSource>().CreateCommand("""
            SELECT v.version, now(), k.id, k.secret_sha256, k.name, k.scopes, k.agent_id, k.expires_at
            FROM (SELECT coalesce((SELECT version FROM api_key_version WHERE town = $1), 0) AS version) v
            LEFT JOIN api_key k ON k.town = $1 AND v.version <> $2 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
            """);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = known.Version });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        var (version, at) = (known.Version, known.DatabaseAt);
        var keys = new Dictionary<ulong, KnownKey>();
        while (await row.ReadAsync(cancellationToken))
        {
            (version, at) = (row.GetInt64(0), row.GetDateTime(1));
            if (await row.IsDBNullAsync(2, cancellationToken))
            {
                continue;
            }

            var id = Convert.ToUInt64(row.GetString(2), 16);
            var key = new KnownKey(
                row.GetFieldValue<byte[]>(3), row.GetString(4), Scopes.Of(row.GetFieldValue<string[]>(5)),
                await row.IsDBNullAsync(6, cancellationToken) ? null : new AgentId(row.GetGuid(6)),
                await row.IsDBNullAsync(7, cancellationToken) ? null : row.GetDateTime(7), town.Name, this);
            keys[id] = known.Keys.TryGetValue(id, out var before) && before.IsAs(key) ? before : key;
        }

        return version == known.Version
            ? known with { ReadAt = readAt, DatabaseAt = at }
            : new Known(version, readAt, at, keys.ToFrozenDictionary());
    }

    private void Replace(Known now)
    {
        Known before;
        lock (_gate)
        {
            before = _known;
            if (now.ReadAt < before.ReadAt)
            {
                return;     // a later look was quicker
            }

            Volatile.Write(ref _known, now);
        }

        if (!ReferenceEquals(before.Keys, now.Keys))
        {
            foreach (var (id, key) in before.Keys)
            {
                if (!ReferenceEquals(now.Keys.GetValueOrDefault(id), key))
                {
                    key.End();
                }
            }
        }
    }

    private async Task NoteUsesAsync(CancellationToken cancellationToken)
    {
        string[] used = [.. Volatile.Read(ref _known).Keys.Where(static key => Interlocked.Exchange(ref key.Value.UsedAt, 0) != 0).Select(static key => KeyFormat.Name(key.Key))];
        if (used.Length == 0)
        {
            return;
        }

        try
        {
            await using var command = services.GetRequiredService<NpgsqlDataSource>().CreateCommand(
                "UPDATE api_key SET last_used_at = date_trunc('minute', now()) WHERE town = $1 AND id = ANY($2) AND last_used_at IS DISTINCT FROM date_trunc('minute', now())");
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
            command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = used });
            await command.ExecuteNonQueryAsync(cancellationToken);
        }
        catch (Exception away) when (away is NpgsqlException or TimeoutException)
        {
            LogAway(away.GetType().Name);       // the next use tells it again
        }
    }

    [LoggerMessage(LogLevel.Warning, "The keys of callers cannot be read ({Reason}); from 4 s after the last look callers with keys are told to try again")]
    private partial void LogAway(string reason);

    /// <param name="DatabaseAt">The database's clock at <paramref name="ReadAt"/>: whether a key has expired is for that clock to say.</param>
    private sealed record Known(long Version, long? ReadAt, DateTime DatabaseAt, FrozenDictionary<ulong, KnownKey> Keys)
    {
        public static readonly Known Nothing = new(-1, null, default, FrozenDictionary<ulong, KnownKey>.Empty);
    }

    private sealed class Closing(KeyRing ring) : IDisposable
    {
        private int _closed;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _closed, 1) == 0)
            {
                Interlocked.Decrement(ref ring._open);
            }
        }
    }
}
