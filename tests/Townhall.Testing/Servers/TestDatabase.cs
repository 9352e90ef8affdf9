using Npgsql;

namespace Townhall.Testing;

/// <summary>One test's own database with one empty town, reached as each of the roles that a real town has.</summary>
public sealed class TestDatabase : IAsyncDisposable
{
    private readonly PostgresInstance _postgres;

    internal TestDatabase(PostgresInstance postgres, string name, string town)
    {
        _postgres = postgres;
        Name = name;
        Town = town;
        App = Source("town_app");
        Sequencer = Source("town_sequencer");
        Owner = Source("town_admin");
    }

    public string Name { get; }

    /// <summary>A town that only this test knows, also in Redis; beside it there is the town <c>town</c>.</summary>
    public string Town { get; }

    /// <summary>Role <c>town_app</c>, as the services connect.</summary>
    public NpgsqlDataSource App { get; }

    /// <summary>Role <c>town_sequencer</c>.</summary>
    public NpgsqlDataSource Sequencer { get; }

    /// <summary>The owner: for arranging what no service may do, such as ageing a row.</summary>
    public NpgsqlDataSource Owner { get; }

    /// <summary>What a service gets as its connection string; <paramref name="user"/> is one of the three roles.</summary>
    public string ConnectionString(string user = "town_app") => _postgres.ConnectionString(Name, user);

    /// <summary>Runs statements as the owner.</summary>
    public async Task<int> ExecuteAsync(string sql, CancellationToken deadline)
    {
        await using var command = Owner.CreateCommand(sql);
        return await command.ExecuteNonQueryAsync(deadline);
    }

    /// <summary>The first column of the first row, as the owner sees it; default when there is none.</summary>
    public async Task<T?> ScalarAsync<T>(string sql, CancellationToken deadline)
    {
        await using var command = Owner.CreateCommand(sql);
        return await command.ExecuteScalarAsync(deadline) is T value ? value : default;
    }

    /// <summary>The settings a service needs to serve this town.</summary>
    public Dictionary<string, string> Settings(RedisInstance? redis = null)
    {
        var settings = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["TOWN_NAME"] = Town,
            // More than any test makes: the ceiling has tests of its own.
            ["TOWN_MAX_AGENTS"] = "100000",
            ["ConnectionStrings__town"] = ConnectionString("town_app"),
            ["ConnectionStrings__town-sequencer"] = ConnectionString("town_sequencer"),
        };
        if (redis is not null)
        {
            settings["ConnectionStrings__redis"] = redis.ConnectionString;
        }

        return settings;
    }

    public async ValueTask DisposeAsync()
    {
        await App.DisposeAsync();
        await Sequencer.DisposeAsync();
        await Owner.DisposeAsync();
        try
        {
            await PostgresServer.ExecuteAsync(
                _postgres, "postgres", $"DROP DATABASE IF EXISTS {Name} WITH (FORCE)", Deadline.Of(TimeSpan.FromSeconds(10)));
        }
        catch (NpgsqlException)
        {
            // The test stopped its own server: nothing is left to tidy.
        }
    }

    private NpgsqlDataSource Source(string user)
    {
        var settings = new NpgsqlConnectionStringBuilder(ConnectionString(user)) { MaxPoolSize = 16, CommandTimeout = 10 };
        return NpgsqlDataSource.Create(settings);
    }
}
