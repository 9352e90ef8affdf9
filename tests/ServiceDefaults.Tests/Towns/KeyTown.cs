using System.Text;
using System.Text.Json;
using Npgsql;
using Townhall.Contracts.Keys;
using Townhall.Testing;

namespace Townhall.ServiceDefaults.Tests.Towns;

/// <summary>A town in mode <c>api_key</c>: real services, and the key with which the first caller makes the others.</summary>
internal sealed class KeyTown : IAsyncDisposable
{
    private readonly RedisInstance _redis;
    private readonly string _folder = Directory.CreateTempSubdirectory("townhall-keys-").FullName;
    private readonly Dictionary<string, ServiceProcess> _services = [];

    private KeyTown(TestDatabase database, RedisInstance redis)
    {
        (Database, _redis) = (database, redis);
        (Admin, _, _) = KeyFormat.Make();
        File.WriteAllText(AdminFile, Admin);
        File.WriteAllText(Path.Combine(_folder, "worker.key"), new string('w', 43));
    }

    public TestDatabase Database { get; }

    public string Admin { get; }

    private string AdminFile => Path.Combine(_folder, "admin.key");

    public static async Task<KeyTown> StartAsync(PostgresServer postgres, RedisServer redis, CancellationToken deadline, params string[] services)
    {
        return await OverAsync(await postgres.CreateDatabaseAsync(deadline), redis, deadline, services);
    }

    /// <summary>The same over a database of the caller's own.</summary>
    public static async Task<KeyTown> OverAsync(TestDatabase database, RedisServer redis, CancellationToken deadline, params string[] services)
    {
        var town = new KeyTown(database, redis.Instance);
        foreach (var service in services)
        {
            await town.AddAsync(service, deadline);
        }

        return town;
    }

    /// <summary>Starts a service, a second of its kind under <paramref name="name"/>.</summary>
    public async Task AddAsync(string service, CancellationToken deadline, string? name = null, IReadOnlyDictionary<string, string>? more = null)
    {
        var settings = Database.Settings(_redis);
        settings["TOWN_AUTH_MODE"] = "api_key";
        settings["TOWN_ADMIN_KEY_FILE"] = AdminFile;
        settings["TOWN_WORKER_KEY_FILE"] = Path.Combine(_folder, "worker.key");
        settings["TOWN_ACTUATOR"] = "none";
        foreach (var (key, value) in more ?? new Dictionary<string, string>())
        {
            settings[key] = value;
        }

        _services[name ?? service] = await ServiceProcess.StartAsync($"services/{service}", settings, deadline);
    }

    public ServiceProcess this[string service] => _services[service];

    /// <summary>Asks for an orderly end and waits for it: everything that was put off is written then.</summary>
    public async Task StopAsync(string service, CancellationToken deadline)
    {
        _services[service].Process.Signal(Signals.Terminate);
        Assert.Equal(0, await _services[service].Process.ExitAsync(deadline));
    }

    public async Task<(int Status, JsonElement Body)> SendAsync(
        HttpMethod method, string path, string? key, CancellationToken deadline, string? json = null, string service = "townhall")
    {
        using var request = new HttpRequestMessage(method, new Uri(path, UriKind.Relative));
        if (key is not null)
        {
            request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {key}");
        }

        if (json is not null)
        {
            request.Content = new StringContent(json, Encoding.UTF8, "application/json");
        }

        using var answer = await _services[service].Client.SendAsync(request, deadline);
        var text = await answer.Content.ReadAsStringAsync(deadline);
        Assert.True((int)answer.StatusCode != 500, $"{text}\n{_services[service].Process.Log}");
        return ((int)answer.StatusCode, text.Length == 0 ? default : JsonDocument.Parse(text).RootElement);
    }

    /// <summary>Makes a key and answers it with its id.</summary>
    public async Task<(string Key, string Id)> MakeKeyAsync(string name, string[] scopes, CancellationToken deadline, string more = "")
    {
        var (status, body) = await SendAsync(
            HttpMethod.Post, "/v1/keys", Admin, deadline, $$"""{"name":"{{name}}","scopes":{{JsonSerializer.Serialize(scopes)}}{{more}}}""");
        Assert.Equal(201, status);
        return (body.GetProperty("key").GetString()!, body.GetProperty("key_id").GetString()!);
    }

    /// <summary>Entries of one action: actor and detail, oldest first.</summary>
    public async Task<List<(string Actor, JsonElement Detail)>> EntriesAsync(string action, CancellationToken deadline)
    {
        await using var command = Database.Owner.CreateCommand("""
            SELECT id, actor, detail FROM ledger_pending WHERE town = $1 AND action = $2
            UNION ALL SELECT id, actor, detail FROM ledger WHERE town = $1 AND action = $2 ORDER BY id
            """);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = Database.Town });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = action });
        var entries = new List<(string, JsonElement)>();
        await using var row = await command.ExecuteReaderAsync(deadline);
        while (await row.ReadAsync(deadline))
        {
            entries.Add((row.GetString(1), JsonDocument.Parse(row.GetString(2)).RootElement));
        }

        return entries;
    }

    /// <summary>Every row of every table as one number, but for what is written about refusals themselves and by leaders.</summary>
    public async Task<string> RowsAsync(CancellationToken deadline)
    {
        var tables = new List<string>();
        await using (var command = Database.Owner.CreateCommand("""
            SELECT tablename FROM pg_tables WHERE schemaname = 'public'
              AND tablename NOT IN ('ledger', 'ledger_pending', 'ledger_head', 'leader', 'schema_file') AND tablename NOT LIKE 'ledger\_%' ORDER BY 1
            """))
        {
            await using var row = await command.ExecuteReaderAsync(deadline);
            while (await row.ReadAsync(deadline))
            {
                tables.Add(row.GetString(0));
            }
        }

        var all = new StringBuilder();
        foreach (var table in tables)
        {
            // The moment of the last use of a key is noted whatever the key was used for.
            var shown = table == "api_key" ? "(to_jsonb(t) - 'last_used_at')::text" : "t::text";
            all.Append(await Database.ScalarAsync<string>(
                $"SELECT '{table} ' || count(*) || ' ' || coalesce(md5(string_agg({shown}, ',' ORDER BY {shown})), '') FROM {table} t", deadline)).Append('\n');
        }

        return all.ToString();
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var service in _services.Values)
        {
            await service.DisposeAsync();
        }

        await Database.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }
}
