using Microsoft.Extensions.Configuration;
using Npgsql;
using StackExchange.Redis;

namespace Townhall.ServiceDefaults.Settings;

/// <summary>The connection strings that a service cannot do without. Whether a server answers is not asked here: none has to be there at start.</summary>
public static class Connections
{
    /// <summary>Adds every one that is missing or is none; for the town's database, for Redis, and for what <paramref name="more"/> names.</summary>
    /// <param name="more">Databases that this service has beside <c>town</c>.</param>
    public static void Check(IConfiguration configuration, List<string> mistakes, params ReadOnlySpan<string> more)
    {
        CheckDatabase(configuration, mistakes, "town");
        foreach (var name in more)
        {
            CheckDatabase(configuration, mistakes, name);
        }

        if (!Reads(configuration.GetConnectionString("redis"), static text => ConfigurationOptions.Parse(text).EndPoints.Count > 0))
        {
            mistakes.Add("ConnectionStrings__redis (or REDIS_URL) must say where Redis is, as 127.0.0.1:6379,password=…");
        }
    }

    private static void CheckDatabase(IConfiguration configuration, List<string> mistakes, string name)
    {
        if (!Reads(configuration.GetConnectionString(name), static text => new NpgsqlConnectionStringBuilder(text).Host is { Length: > 0 }))
        {
            mistakes.Add($"ConnectionStrings__{name} must say where the database is and who connects, as Host=…;Database=…;Username=…;Password=…");
        }
    }

    // What a parser says is left out: it may repeat the password.
    private static bool Reads(string? text, Func<string, bool> reads)
    {
        try
        {
            return text is { Length: > 0 } && reads(text);
        }
        catch (Exception wrong) when (wrong is ArgumentException or FormatException or OverflowException or InvalidCastException)
        {
            return false;
        }
    }
}
