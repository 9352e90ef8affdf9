namespace Aspire.StackExchange.Redis;

/// <summary>What one client reads from section <c>Aspire:StackExchange:Redis</c>, then the sub-section of its name.</summary>
public sealed class StackExchangeRedisSettings
{
    /// <summary>Overridden by <c>ConnectionStrings:{name}</c> where that is set.</summary>
    public string? ConnectionString { get; set; }

    /// <summary>True leaves the client out of the health report. Default false.</summary>
    public bool DisableHealthChecks { get; set; }

    /// <summary>True leaves the client's activities out of traces. Default false.</summary>
    public bool DisableTracing { get; set; }

    /// <summary>Here for the shape: the connection is always made when the client is first asked for.</summary>
    public bool DisableAutoActivation { get; set; } = true;
}
