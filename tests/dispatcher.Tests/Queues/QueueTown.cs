using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using StackExchange.Redis;
using Townhall.Contracts.Workers;
using Townhall.Dispatcher.Duties;
using Townhall.Dispatcher.Leases;
using Townhall.Dispatcher.Queues;
using Townhall.Dispatcher.Workers;
using Townhall.ServiceDefaults.Redis;
using Townhall.Testing;

namespace Townhall.Dispatcher.Tests.Queues;

/// <summary>One dispatcher's queue over a real database and a real Redis, turned by hand.</summary>
internal sealed class QueueTown : IAsyncDisposable
{
    private readonly TestDatabase _database;
    private readonly RedisDoor _door;
    private readonly ConnectionMultiplexer _redis;
    private readonly ReadyAgents _ready = new();

    private QueueTown(TestDatabase database, ConnectionMultiplexer redis, RedisDoor door, Func<Parts, IWorkQueue> make, bool leads)
    {
        (_database, _redis, _door) = (database, redis, door);
        Seed = new Seed(database);
        Queue = make(new(Seed, _ready, door, new Leads(leads)));
    }

    public Seed Seed { get; }

    public IWorkQueue Queue { get; }

    public IDatabase Redis => _redis.GetDatabase();

    /// <summary>Tasks given so far, in order.</summary>
    public List<Guid> Given { get; } = [];

    public static async Task<QueueTown> StartAsync(
        TestDatabase database, RedisInstance redis, Func<Parts, IWorkQueue> make, CancellationToken deadline, bool leads = true)
    {
        var connection = await ConnectionMultiplexer.ConnectAsync(redis.ConnectionString + ",abortConnect=false,allowAdmin=true");
        var services = new ServiceCollection().AddSingleton<IConnectionMultiplexer>(connection).BuildServiceProvider();
        var door = new RedisDoor(services, TimeProvider.System, NullLogger<RedisDoor>.Instance);
        await door.StartAsync(deadline);
        await Eventually.Is<TimeSpan?>(async () => await door.PingAsync(), static answer => answer is not null, deadline, "Redis to answer");
        return new(database, connection, door, make, leads);
    }

    /// <summary>What the sweep does, and one claim; what was given runs until it is settled.</summary>
    public async Task<IReadOnlyList<Lease>> TurnAsync(KnownWorker worker, int most, CancellationToken deadline)
    {
        foreach (var agent in await Seed.Reaping.SweepAsync(deadline))
        {
            _ready.Ring(agent);
        }

        if (!Queue.MayHaveWork)
        {
            return [];
        }

        var given = await Queue.ClaimAsync(worker, Guid.NewGuid(), most, deadline);
        Given.AddRange(given.Leases.Select(static lease => lease.TaskId));
        return given.Leases;
    }

    /// <summary>Turns and settles until so many tasks were given, checking the promises after each.</summary>
    public async Task DrainAsync(KnownWorker worker, int count, CancellationToken deadline, int most = 8)
    {
        while (Given.Count < count)
        {
            deadline.ThrowIfCancellationRequested();
            var leases = await TurnAsync(worker, most, deadline);
            await Seed.HoldsAsync(deadline);
            if (leases.Count > 0)
            {
                await Seed.Settling.SettleAsync([.. leases.Select(lease => Seed.End(worker, lease))], deadline);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _door.StopAsync(CancellationToken.None);
        await _redis.CloseAsync();
    }

    public sealed record Parts(Seed Seed, ReadyAgents Ready, RedisDoor Door, ILeadership Leadership);

    private sealed class Leads(bool leads) : ILeadership
    {
        public long? Epoch => leads ? 1 : null;
    }
}
