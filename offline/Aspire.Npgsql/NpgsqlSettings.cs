namespace Aspire.Npgsql;

/// <summary>What one data source reads from section <c>Aspire:Npgsql</c>, then <c>Aspire:Npgsql:{name}</c>.</summary>
public sealed class NpgsqlSettings
{
    /// <summary>Overridden by <c>ConnectionStrings:{name}</c> where that is set.</summary>
    public string? ConnectionString { get; set; }

    /// <summary>True leaves the data source out of the health report. Default false.</summary>
    public bool DisableHealthChecks { get; set; }

    /// <summary>True leaves Npgsql's activities out of traces. Default false.</summary>
    public bool DisableTracing { get; set; }

    /// <summary>True leaves Npgsql's meters out of metrics. Default false.</summary>
    public bool DisableMetrics { get; set; }
}
