using System.Security.Cryptography;
using System.Text;
using Npgsql;

namespace Townhall.Schema;

/// <summary>Passwords of the roles that services connect as; set anew at every start, so a lost one heals itself.</summary>
public sealed record RolePasswords(string App, string Sequencer);

/// <summary>A file that was applied earlier has changed since: files are forward-only.</summary>
public sealed class SchemaDriftException(string file)
    : Exception($"{file} was applied with other content. Files are forward-only: restore it and add a new file.");

/// <summary>Applies the numbered SQL files that a database lacks, each in a transaction, in order, under one lock.</summary>
public static class Migrator
{
    private const long LockKey = 0x746f776e68616c6c;    // "townhall" in ASCII

    /// <summary>Applies what is missing, sets the service roles' passwords and makes the town's first rows.</summary>
    /// <returns>Names of the files applied now; empty when the database was up to date.</returns>
    /// <exception cref="NpgsqlException">The database refused; files before the failing one stay applied.</exception>
    /// <exception cref="SchemaDriftException">An applied file differs from this build's.</exception>
    public static async Task<IReadOnlyList<string>> ApplyAsync(
        string connectionString, string town, RolePasswords passwords, CancellationToken cancellationToken)
    {
        await using var source = NpgsqlDataSource.Create(connectionString);
        await using var connection = await source.OpenConnectionAsync(cancellationToken);
        await ExecuteAsync(connection, $"SELECT pg_advisory_lock({LockKey})", cancellationToken);
        await ExecuteAsync(connection, """
            CREATE TABLE IF NOT EXISTS schema_file (
                name text PRIMARY KEY, sha256 bytea NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())
            """, cancellationToken);
        await SetRoleAsync(connection, "town_app", passwords.App, cancellationToken);
        await SetRoleAsync(connection, "town_sequencer", passwords.Sequencer, cancellationToken);

        var known = await KnownAsync(connection, cancellationToken);
        var applied = new List<string>();
        foreach (var (name, text) in Files())
        {
            var hash = SHA256.HashData(Encoding.UTF8.GetBytes(text));
            if (known.TryGetValue(name, out var before))
            {
                if (!before.AsSpan().SequenceEqual(hash))
                {
                    throw new SchemaDriftException(name);
                }

                continue;
            }

            await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
            await ExecuteAsync(connection, text, cancellationToken);
            await using var record = new NpgsqlCommand("INSERT INTO schema_file (name, sha256) VALUES ($1, $2)", connection);
            record.Parameters.Add(new NpgsqlParameter<string> { TypedValue = name });
            record.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = hash });
            await record.ExecuteNonQueryAsync(cancellationToken);
            await transaction.CommitAsync(cancellationToken);
            applied.Add(name);
        }

        await MakeTownAsync(connection, town, cancellationToken);

        // Ends with the connection as well; said aloud so that the next starter need not wait for the pool.
        await ExecuteAsync(connection, $"SELECT pg_advisory_unlock({LockKey})", cancellationToken);
        return applied;
    }

    private static async Task MakeTownAsync(NpgsqlConnection connection, string town, CancellationToken cancellationToken)
    {
        await using var batch = new NpgsqlBatch(connection);
        foreach (var sql in (string[])
        [
            "INSERT INTO town (name) VALUES ($1) ON CONFLICT DO NOTHING",
            "INSERT INTO task_count (town) VALUES ($1) ON CONFLICT DO NOTHING",
            "INSERT INTO ledger_head (town) VALUES ($1) ON CONFLICT DO NOTHING",
        ])
        {
            var command = new NpgsqlBatchCommand(sql);
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town });
            batch.BatchCommands.Add(command);
        }

        await batch.ExecuteNonQueryAsync(cancellationToken);
    }

    private static IEnumerable<(string Name, string Text)> Files()
    {
        var assembly = typeof(Migrator).Assembly;
        foreach (var name in assembly.GetManifestResourceNames().Where(static name => name.EndsWith(".sql", StringComparison.Ordinal)).Order(StringComparer.Ordinal))
        {
            using var reader = new StreamReader(assembly.GetManifestResourceStream(name)!);
            yield return (name, reader.ReadToEnd());
        }
    }

    private static async Task<Dictionary<string, byte[]>> KnownAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        var known = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        await using var command = new NpgsqlCommand("SELECT name, sha256 FROM schema_file", connection);
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken))
        {
            known.Add(row.GetString(0), row.GetFieldValue<byte[]>(1));
        }

        return known;
    }

    private static async Task SetRoleAsync(NpgsqlConnection connection, string role, string password, CancellationToken cancellationToken)
    {
        // Roles belong to the server, not the database: another town's schema step may make it at the same moment.
        await ExecuteAsync(connection, $$"""
            DO $do$ BEGIN
                CREATE ROLE {{role}} LOGIN;
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;   -- it is there, which is all we want
            END $do$
            """, cancellationToken);

        // Utility statements take no parameters: the server quotes the literal for us.
        await using var quote = new NpgsqlCommand("SELECT format('ALTER ROLE %I LOGIN PASSWORD %L', $1, $2)", connection);
        quote.Parameters.Add(new NpgsqlParameter<string> { TypedValue = role });
        quote.Parameters.Add(new NpgsqlParameter<string> { TypedValue = password });
        var alter = (string)(await quote.ExecuteScalarAsync(cancellationToken))!;
        await ExecuteAsync(connection, alter, cancellationToken);
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
