using System.Globalization;
using Npgsql;
using Townhall.Schema;
using Xunit;

namespace Townhall.Testing;

/// <summary>The test run's Postgres with one migrated template; each test takes its own copy of it.</summary>
/// <remarks>
/// The server belongs to the process, the fixture is only a handle: as <c>IClassFixture</c> its classes run in parallel,
/// as <c>ICollectionFixture</c> one after the other, and both share the server.
/// </remarks>
public sealed class PostgresServer : IAsyncLifetime
{
    private const string Template = "town_template";
    private static readonly Lazy<Task<PostgresInstance>> Shared = new(StartAsync);
    private static int _databases;
    private PostgresInstance? _instance;

    /// <summary>The server itself, shared with every other test: never stop or pause it.</summary>
    public PostgresInstance Instance => _instance ?? throw new InvalidOperationException("The fixture was not initialized.");

    /// <summary>Makes an empty town in a database of its own, about 0.1 s.</summary>
    public Task<TestDatabase> CreateDatabaseAsync(CancellationToken deadline) => CopyAsync(Instance, deadline);

    /// <summary>A server of one's own, for tests that stop or pause it, with the schema applied.</summary>
    public static async Task<PostgresInstance> StartOwnAsync(CancellationToken deadline, string? on = null)
    {
        var postgres = await PostgresInstance.StartAsync(deadline, on);
        await MigrateAsync(postgres, deadline);
        return postgres;
    }

    /// <summary>The same on any server that <see cref="StartOwnAsync"/> started.</summary>
    public static async Task<TestDatabase> CopyAsync(PostgresInstance postgres, CancellationToken deadline, string? tablespace = null)
    {
        var number = Interlocked.Increment(ref _databases).ToString(CultureInfo.InvariantCulture);
        var database = new TestDatabase(
            postgres, $"t{number}", $"t{number}-{Environment.ProcessId.ToString(CultureInfo.InvariantCulture)}");
        await ExecuteAsync(postgres, "postgres", $"CREATE DATABASE {database.Name} TEMPLATE {Template}{(tablespace is null ? "" : $" TABLESPACE {tablespace}")}", deadline);
        await ExecuteAsync(postgres, database.Name, $"""
            INSERT INTO town (name) VALUES ('{database.Town}');
            INSERT INTO task_count (town) VALUES ('{database.Town}');
            INSERT INTO ledger_head (town) VALUES ('{database.Town}');
            """, deadline);
        return database;
    }

    public async Task InitializeAsync() => _instance = await Shared.Value;

    public Task DisposeAsync() => Task.CompletedTask;      // the server ends with the process

    internal static async Task ExecuteAsync(PostgresInstance postgres, string database, string sql, CancellationToken deadline)
    {
        await using var connection = new NpgsqlConnection(postgres.ConnectionString(database) + ";Pooling=false");
        await connection.OpenAsync(deadline);
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(deadline);
    }

    private static async Task<PostgresInstance> StartAsync() => await StartOwnAsync(Deadline.Of(TimeSpan.FromSeconds(120)));

    private static async Task MigrateAsync(PostgresInstance postgres, CancellationToken deadline)
    {
        await ExecuteAsync(postgres, "postgres", $"CREATE DATABASE {Template}", deadline);

        // A template must have no connections when it is copied.
        var connection = postgres.ConnectionString(Template) + ";Pooling=false";
        await Migrator.ApplyAsync(connection, "town", new RolePasswords("town_app", "town_sequencer"), deadline);
    }
}
