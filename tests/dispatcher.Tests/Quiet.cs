using Microsoft.Extensions.Logging.Abstractions;
using Townhall.ServiceDefaults.Redis;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Dispatcher.Tests;

/// <summary>A doorbell that nobody hears, as when Redis is away.</summary>
internal sealed class Quiet : IServiceProvider
{
    public static Doorbell Doorbell(TownSettings town) =>
        new(new RedisDoor(new Quiet(), TimeProvider.System, NullLogger<RedisDoor>.Instance), town);

    public object? GetService(Type serviceType) => null;
}
