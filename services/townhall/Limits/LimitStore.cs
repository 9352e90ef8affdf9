using Npgsql;
using Townhall.Contracts.Tasks;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Api.Limits;

/// <summary>Every statement over limits and tenants' shares in this service. What a key holds is read here and never written.</summary>
internal sealed class LimitStore(NpgsqlDataSource database, TownSettings town)
{
    /// <summary>The key of all tasks of the town together.</summary>
    public const string Town = TaskLimits.TownKey;

    private const int HoldersMost = 1000;

    /// <summary>Keys behind <paramref name="after"/> in order, those somebody set and those in use.</summary>
    public Task<List<LimitView>> ListAsync(string after, int most, CancellationToken cancellationToken) =>
        ReadAsync("l.key > $2 AND (l.configured OR l.held > 0)", after, most, cancellationToken);

    /// <returns>Null when nobody set the key and no task ever named it as its concurrency key.</returns>
    public async Task<LimitView?> FindAsync(string key, CancellationToken cancellationToken) =>
        await ReadAsync("l.key = $2", key, 1, cancellationToken) is [var limit] ? limit : null;

    public async Task SetAsync(string key, NewLimit limit, string actor, CancellationToken cancellationToken) =>
        await WriteAsync(key, limit, forget: false, actor, cancellationToken);

    /// <returns>False when nobody had set it.</returns>
    public Task<bool> ForgetAsync(string key, string actor, CancellationToken cancellationToken) =>
        WriteAsync(key, new NewLimit(), forget: true, actor, cancellationToken);

    /// <summary>Running tasks that hold the key, longest first, at most a thousand; for the town's own key all that run.</summary>
    public async Task<List<HolderView>> HoldersAsync(string key, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand($"""
            SELECT t.id, t.agent_id, a.name, t.lease_worker, w.name, t.attempt, t.lease_until,
                   extract(epoch FROM now() - t.leased_at)::double precision
            FROM task t
            LEFT JOIN agent a ON a.id = t.agent_id
            LEFT JOIN worker w ON w.id = t.lease_worker
            WHERE t.town = $1 AND t.state = 'running' AND ($2 = '{Town}' OR t.concurrency_key = $2)
            ORDER BY t.leased_at, t.id
            LIMIT {HoldersMost}
            """);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = key });
        var holders = new List<HolderView>();
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken))
        {
            holders.Add(new(
                row.GetGuid(0), row.GetGuid(1), row.IsDBNull(2) ? null : row.GetString(2), row.GetGuid(3),
                row.IsDBNull(4) ? null : row.GetString(4), row.GetInt32(5), row.GetDateTime(6), row.GetDouble(7)));
        }

        return holders;
    }

    /// <summary>A tenant's share; 1 where nobody said otherwise.</summary>
    public async Task<TenantView> TenantAsync(string name, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            SELECT coalesce((SELECT weight FROM tenant WHERE town = $1 AND name = $2), 1),
                   (SELECT count(*) FROM agent WHERE town = $1 AND tenant = $2)
            """);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = name });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        await row.ReadAsync(cancellationToken);
        return new(name, row.GetInt32(0), row.GetInt64(1));
    }

    public async Task SetTenantAsync(string name, int weight, string actor, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            WITH changed AS (
                INSERT INTO tenant (town, name, weight) VALUES ($1, $2, $3)
                ON CONFLICT (town, name) DO UPDATE SET weight = excluded.weight WHERE tenant.weight <> excluded.weight
                RETURNING name, weight
            )
            INSERT INTO ledger_pending (town, actor, action, detail)
            SELECT $1, $4, 'TenantChanged', json_build_object('tenant', name, 'weight', weight)::text FROM changed
            """);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = name });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = weight });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = actor });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private async Task<bool> WriteAsync(string key, NewLimit limit, bool forget, string actor, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT set_limit($1, $2, $3, $4, $5, $6, $7)");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = key });
        command.Parameters.Add(new NpgsqlParameter<int?> { TypedValue = limit.MaxConcurrency });
        command.Parameters.Add(new NpgsqlParameter<double?> { TypedValue = limit.RatePerMinute });
        command.Parameters.Add(new NpgsqlParameter<int?> { TypedValue = forget ? null : limit.Burst ?? 1 });
        command.Parameters.Add(new NpgsqlParameter<bool> { TypedValue = forget });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = actor });
        return await command.ExecuteScalarAsync(cancellationToken) is true;
    }

    private async Task<List<LimitView>> ReadAsync(string which, string key, int most, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand($"""
            SELECT l.key, l.max_concurrency, l.rate_per_minute, l.burst, l.configured,
                   -- The town's own key is counted, not held: every lease would have to change its row.
                   CASE WHEN l.key = '{Town}' THEN (SELECT count(*) FROM task t WHERE t.town = $1 AND t.state = 'running')
                        ELSE l.held END,
                   CASE WHEN l.rate_per_minute IS NOT NULL THEN rate_tokens(l) END,
                   (SELECT count(*) FROM task t WHERE t.town = $1 AND t.parked = 'concurrency' AND t.concurrency_key = l.key)
                   + (SELECT count(*) FROM task t WHERE t.town = $1 AND t.parked = 'rate' AND t.rate_key = l.key)
            FROM limit_key l
            WHERE l.town = $1 AND {which}
            ORDER BY l.key
            LIMIT $3
            """);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = key });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = most });
        var limits = new List<LimitView>();
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken))
        {
            limits.Add(new(
                row.GetString(0), row.IsDBNull(1) ? null : row.GetInt32(1), row.IsDBNull(2) ? null : row.GetDouble(2), row.GetInt32(3),
                row.GetBoolean(4), row.GetInt64(5), row.IsDBNull(6) ? null : row.GetDouble(6), row.GetInt64(7)));
        }

        return limits;
    }
}
