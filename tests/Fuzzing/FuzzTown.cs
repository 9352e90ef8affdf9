using System.Globalization;
using Townhall.Testing;

namespace Townhall.Fuzzing;

/// <summary>A town as people call it: edge, townhall, scaler, notifier and dispatcher over a real Postgres and a real Redis. No worker: nothing is executed.</summary>
public sealed class FuzzTown : IAsyncDisposable
{
    private readonly List<ServiceProcess> _services = [];
    private readonly PostgresInstance _postgres;
    private readonly RedisInstance _redis;
    private readonly string _folder;
    private readonly bool _own;

    private FuzzTown(PostgresInstance postgres, RedisInstance redis, TestDatabase database, string folder, bool own) =>
        (_postgres, _redis, Database, _folder, _own) = (postgres, redis, database, folder, own);

    public TestDatabase Database { get; }

    public ServiceProcess Edge => _services[^1];

    public ServiceProcess Townhall => _services[0];

    public IReadOnlyList<ServiceProcess> Services => _services;

    /// <summary>On servers of its own, which end with it.</summary>
    public static async Task<FuzzTown> StartAsync(CancellationToken deadline)
    {
        var postgres = await PostgresServer.StartOwnAsync(deadline);
        return await StartAsync(postgres, await RedisInstance.StartAsync(deadline), own: true, deadline);
    }

    /// <summary>On servers that others use, too.</summary>
    public static Task<FuzzTown> StartAsync(PostgresInstance postgres, RedisInstance redis, CancellationToken deadline) =>
        StartAsync(postgres, redis, own: false, deadline);

    /// <summary>Resident memory of one of the services.</summary>
    public static long ResidentBytes(ServiceProcess service) =>
        long.Parse(
            File.ReadLines($"/proc/{service.Process.Pid}/status").First(static line => line.StartsWith("VmRSS:", StringComparison.Ordinal)).Split(' ', '\t')[^2],
            CultureInfo.InvariantCulture) * 1024;

    public async ValueTask DisposeAsync()
    {
        foreach (var service in _services.AsEnumerable().Reverse())
        {
            await service.DisposeAsync();
        }

        await Database.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
        if (_own)
        {
            await _redis.DisposeAsync();
            await _postgres.DisposeAsync();
        }
    }

    private static async Task<FuzzTown> StartAsync(PostgresInstance postgres, RedisInstance redis, bool own, CancellationToken deadline)
    {
        var database = await PostgresServer.CopyAsync(postgres, deadline);
        var folder = Directory.CreateTempSubdirectory("townhall-fuzz-").FullName;
        var town = new FuzzTown(postgres, redis, database, folder, own);
        var settings = database.Settings(redis);
        settings["TOWN_WORKER_KEY_FILE"] = Path.Combine(folder, "worker-key");
        await File.WriteAllTextAsync(settings["TOWN_WORKER_KEY_FILE"], new string('k', 64), deadline);
        foreach (var service in new[] { "townhall", "scaler", "notifier", "dispatcher" })
        {
            town._services.Add(await ServiceProcess.StartAsync($"services/{service}", settings, deadline));
        }

        foreach (var service in town._services.Take(3))
        {
            settings[$"services__{Path.GetFileName(service.Process.Name)}__http__0"] = service.Address.ToString().TrimEnd('/');
        }

        town._services.Add(await ServiceProcess.StartAsync("services/edge", settings, deadline));
        return town;
    }
}
