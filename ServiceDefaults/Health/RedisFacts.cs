namespace Townhall.ServiceDefaults.Health;

/// <summary>Why a town cannot rely on a Redis, and what to do about it.</summary>
internal sealed record RedisShortcoming(string What, string Remedy);

/// <summary>What a Redis says of itself, as far as promises hang on it.</summary>
/// <param name="Version">Null when it does not say.</param>
/// <param name="Policy">What it does when its memory is full; null when it does not say.</param>
internal sealed record RedisFacts(Version? Version, string? Policy)
{
    private const string Harmless = "noeviction";

    /// <summary>The oldest that the streams, their groups and scripts are tested with.</summary>
    private static readonly Version Least = new(7, 0);

    /// <summary>Of one that may not be asked, as where a provider forbids it: it is taken as it is.</summary>
    public static RedisFacts Untold { get; } = new(null, null);

    /// <summary>Null while a town can rely on it.</summary>
    public RedisShortcoming? Fault =>
        Version is not null && Version < Least
            ? new($"Redis {Version} is older than {Least}, which is the least that a town works with.", "Upgrade it, or name a newer one in ConnectionStrings__redis.")
        : Policy is not null and not Harmless
            ? new($"Redis evicts keys ({Policy}) when its memory is full, so queued work and live output could vanish from it.", $"Set maxmemory-policy to {Harmless} there.")
        : null;

    /// <param name="info">Sections <c>server</c> and <c>memory</c> of what <c>INFO</c> answers, a line each.</param>
    public static RedisFacts Of(string info) =>
        new(System.Version.TryParse(Member(info, "redis_version:"), out var version) ? version : null, Member(info, "maxmemory_policy:"));

    private static string? Member(string info, string name)
    {
        foreach (var line in info.AsSpan().EnumerateLines())
        {
            if (line.StartsWith(name))
            {
                return line[name.Length..].Trim().ToString();
            }
        }

        return null;
    }
}
