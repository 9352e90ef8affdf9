namespace Townhall.Client;

/// <summary>What a key allows from now on; null is unlimited.</summary>
public sealed record NewLimit(int? MaxConcurrency = null, double? RatePerMinute = null, int? Burst = null);

/// <param name="Configured">False where nobody set it.</param>
/// <param name="Held">Permits in use.</param>
/// <param name="Tokens">Starts that the rate allows at once; null without a rate.</param>
/// <param name="Parked">Tasks that wait for this key.</param>
public sealed record Limit(
    string Key, int? MaxConcurrency, double? RatePerMinute, int Burst, bool Configured, long Held, double? Tokens, long Parked);

public sealed record LimitPage(Limit[] Limits, int Count, string? NextCursor = null);

public sealed record LimitHolder(
    Guid TaskId, Guid AgentId, string? AgentName, Guid WorkerId, string? WorkerName, int Attempt, DateTime LeaseUntil, double HeldForSecs);

/// <param name="Holders">At most 1000, longest first.</param>
public sealed record LimitHolders(string Key, LimitHolder[] Holders, int Count, int? MaxConcurrency = null, long Held = 0, long Parked = 0);

internal sealed record NewShare(int Weight);

/// <param name="Weight">Its share of turns among the tenants.</param>
public sealed record Tenant(string Name, int Weight, long Agents = 0);
