using Npgsql;
using Townhall.Contracts.Keys;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Api.Keys;

/// <summary>How a change of keys ended.</summary>
internal abstract record KeyChange
{
    public sealed record Made(MadeKey Key) : KeyChange;

    public sealed record NameTaken : KeyChange;

    public sealed record TooMany : KeyChange;

    public sealed record NoAgent : KeyChange;

    public sealed record NotFound : KeyChange;

    /// <summary>Revoked, expired or replaced already.</summary>
    public sealed record Ended : KeyChange;
}

/// <summary>Every statement over keys that changes them, and their list. Each change counts up the version that services look at;
/// what is refused is rolled back, the count with it.</summary>
internal sealed class KeyStore(NpgsqlDataSource database, TownSettings town)
{
    /// <summary>Keys of a town that are neither revoked nor expired: every service keeps them all in memory.</summary>
    public const int LivingMost = 10_000;

    /// <summary>Locks the town's keys against other changes until the end of the statement's transaction.</summary>
    private const string Counted = """
        counted AS (
            INSERT INTO api_key_version (town, version) VALUES ($1, 1)
            ON CONFLICT (town) DO UPDATE SET version = api_key_version.version + 1
            RETURNING town
        )
        """;

    public static bool IsId(string text) => text.Length == 16 && text.All(char.IsAsciiHexDigitLower);

    public async Task<List<KeyView>> ListAsync(string after, int most, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            SELECT id, name, scopes, agent_id,
                   CASE WHEN revoked_at IS NOT NULL THEN 'revoked' WHEN expires_at <= now() THEN 'expired'
                        WHEN superseded_by IS NOT NULL THEN 'replaced' ELSE 'active' END,
                   created_by, created_at, expires_at, revoked_at, last_used_at, superseded_by
            FROM api_key
            WHERE town = $1 AND id > $2
            ORDER BY id
            LIMIT $3
            """);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = after });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = most });
        var keys = new List<KeyView>();
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken))
        {
            keys.Add(new(
                row.GetString(0), row.GetString(1), row.GetFieldValue<string[]>(2), row.IsDBNull(3) ? null : row.GetGuid(3), row.GetString(4),
                row.GetString(5), row.GetDateTime(6), Moment(row, 7), Moment(row, 8), Moment(row, 9), row.IsDBNull(10) ? null : row.GetString(10)));
        }

        return keys;
    }

    public async Task<KeyChange> MakeAsync(NewKey key, string actor, CancellationToken cancellationToken)
    {
        var (text, id, hash) = KeyFormat.Make();
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await using var command = new NpgsqlCommand($"""
            WITH {Counted}, judged AS (
                SELECT CASE
                    WHEN $7::uuid IS NOT NULL AND NOT EXISTS (SELECT FROM agent WHERE id = $7 AND town = $1) THEN 'no_agent'
                    WHEN (SELECT count(*) FROM api_key k WHERE k.town = $1 AND k.revoked_at IS NULL
                          AND (k.expires_at IS NULL OR k.expires_at > now())) >= {LivingMost} THEN 'too_many'
                    ELSE 'may' END AS verdict
                FROM counted
            ), made AS (
                INSERT INTO api_key (town, id, name, secret_sha256, scopes, agent_id, created_by, expires_at)
                SELECT $1, $2, $3, $4, $5, $7, $6, now() + $8 FROM judged WHERE verdict = 'may'
                ON CONFLICT DO NOTHING
                RETURNING id, created_at, expires_at
            ), logged AS (
                INSERT INTO ledger_pending (town, actor, action, agent_id, detail)
                SELECT $1, $6, 'KeyCreated', $7, json_build_object('key_id', id, 'name', $3::text, 'scopes', $5::text[], 'expires_at', expires_at)::text
                FROM made
            )
            SELECT j.verdict, m.created_at, m.expires_at FROM judged j LEFT JOIN made m ON true
            """, connection);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = id });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = key.Name! });
        command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = hash });
        command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = [.. key.Scopes!.Distinct()] });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = actor });
        command.Parameters.Add(new NpgsqlParameter { Value = key.AgentId is { } agent ? agent : DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Uuid });
        command.Parameters.Add(Life(key.ExpiresInSecs));
        KeyChange made;
        await using (var row = await command.ExecuteReaderAsync(cancellationToken))
        {
            await row.ReadAsync(cancellationToken);
            made = (row.GetString(0), row.IsDBNull(1)) switch
            {
                ("no_agent", _) => new KeyChange.NoAgent(),
                ("too_many", _) => new KeyChange.TooMany(),
                (_, true) => new KeyChange.NameTaken(),
                _ => new KeyChange.Made(new(id, key.Name!, text, [.. key.Scopes!.Distinct()], key.AgentId, row.GetDateTime(1), Moment(row, 2), null)),
            };
        }

        if (made is KeyChange.Made)
        {
            await transaction.CommitAsync(cancellationToken);
        }

        return made;
    }

    public async Task<KeyChange> RotateAsync(string old, KeyRotation rotation, string actor, CancellationToken cancellationToken)
    {
        var (text, id, hash) = KeyFormat.Make();
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await using var command = new NpgsqlCommand($"""
            WITH {Counted}, replaced AS (
                UPDATE api_key k
                SET superseded_by = $3, expires_at = least(k.expires_at, now() + $5)
                FROM counted, api_key before
                WHERE k.town = $1 AND k.id = $2 AND before.town = $1 AND before.id = $2
                  AND k.revoked_at IS NULL AND k.superseded_by IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
                RETURNING k.name, k.scopes, k.agent_id, before.expires_at - k.created_at AS life
            ), made AS (
                INSERT INTO api_key (town, id, name, secret_sha256, scopes, agent_id, created_by, expires_at)
                SELECT $1, $3, name, $4, scopes, agent_id, $7, now() + coalesce($6, life) FROM replaced
                RETURNING name, scopes, agent_id, created_at, expires_at
            ), logged AS (
                INSERT INTO ledger_pending (town, actor, action, agent_id, detail)
                SELECT $1, $7, 'KeyRotated', agent_id, json_build_object('key_id', $3::text, 'replaces', $2::text, 'name', name, 'expires_at', expires_at)::text
                FROM made
            )
            SELECT m.name, m.scopes, m.agent_id, m.created_at, m.expires_at, EXISTS (SELECT FROM api_key WHERE town = $1 AND id = $2)
            FROM (SELECT 1) one LEFT JOIN made m ON true
            """, connection);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = old });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = id });
        command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = hash });
        command.Parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = TimeSpan.FromSeconds(rotation.OverlapSecs) });
        command.Parameters.Add(Life(rotation.ExpiresInSecs));
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = actor });
        KeyChange rotated;
        await using (var row = await command.ExecuteReaderAsync(cancellationToken))
        {
            await row.ReadAsync(cancellationToken);
            rotated = row.IsDBNull(0)
                ? row.GetBoolean(5) ? new KeyChange.Ended() : new KeyChange.NotFound()
                : new KeyChange.Made(new(
                    id, row.GetString(0), text, row.GetFieldValue<string[]>(1), row.IsDBNull(2) ? null : row.GetGuid(2), row.GetDateTime(3), Moment(row, 4), old));
        }

        if (rotated is KeyChange.Made)
        {
            await transaction.CommitAsync(cancellationToken);
        }

        return rotated;
    }

    /// <returns>False when there is no such key; true also when it had ended before.</returns>
    public async Task<bool> RevokeAsync(string id, string actor, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand($"""
            WITH revoked AS (
                UPDATE api_key SET revoked_at = now()
                WHERE town = $1 AND id = $2 AND revoked_at IS NULL
                RETURNING id, name, agent_id
            ), counted AS (
                INSERT INTO api_key_version (town, version) SELECT $1, 1 FROM revoked
                ON CONFLICT (town) DO UPDATE SET version = api_key_version.version + 1
            ), logged AS (
                INSERT INTO ledger_pending (town, actor, action, agent_id, detail)
                SELECT $1, $3, 'KeyRevoked', agent_id, json_build_object('key_id', id, 'name', name)::text FROM revoked
            )
            SELECT EXISTS (SELECT FROM api_key WHERE town = $1 AND id = $2)
            """);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = id });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = actor });
        return await command.ExecuteScalarAsync(cancellationToken) is true;
    }

    private static NpgsqlParameter Life(long? secs) => new()
    {
        Value = secs is { } life ? TimeSpan.FromSeconds(life) : DBNull.Value,
        NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Interval,
    };

    private static DateTime? Moment(NpgsqlDataReader row, int column) => row.IsDBNull(column) ? null : row.GetDateTime(column);
}
