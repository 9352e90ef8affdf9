using Townhall.Client.Calls;

namespace Townhall.Client;

public sealed partial class TownClient
{
    /// <summary>Keys that somebody set or that are in use, by key.</summary>
    public IAsyncEnumerable<Limit> LimitsAsync(CancellationToken cancellationToken) => AllAsync(
        async (cursor, stop) =>
        {
            var page = await CallAsync(
                Call.Get($"v1/limits{new Query().Add("limit", PageSize).Add("cursor", cursor)}"), AnswerJson.Default.LimitPage, stop);
            return (page.Limits, page.NextCursor);
        },
        cancellationToken);

    public Task<Limit> LimitAsync(string key, CancellationToken cancellationToken) =>
        CallAsync(Call.Get(LimitPath(key)), AnswerJson.Default.Limit, cancellationToken);

    /// <summary>Replaces what a key allows; it counts for the next start.</summary>
    public Task<Limit> SetLimitAsync(string key, NewLimit limit, CancellationToken cancellationToken) =>
        CallAsync(Call.Put(LimitPath(key), limit, RequestJson.Default.NewLimit), AnswerJson.Default.Limit, cancellationToken);

    /// <summary>Takes a limit back: the default counts again.</summary>
    public Task RemoveLimitAsync(string key, CancellationToken cancellationToken) => CallAsync(Call.Delete(LimitPath(key)), cancellationToken);

    public Task<LimitHolders> LimitHoldersAsync(string key, CancellationToken cancellationToken) =>
        CallAsync(Call.Get(LimitPath(key, "/holders")), AnswerJson.Default.LimitHolders, cancellationToken);

    public Task<Tenant> TenantAsync(string name, CancellationToken cancellationToken) =>
        CallAsync(Call.Get($"v1/tenants/{Segment(name)}"), AnswerJson.Default.Tenant, cancellationToken);

    /// <param name="weight">1 to 100.</param>
    public Task<Tenant> SetTenantAsync(string name, int weight, CancellationToken cancellationToken) => CallAsync(
        Call.Put($"v1/tenants/{Segment(name)}", new NewShare(weight), RequestJson.Default.NewShare), AnswerJson.Default.Tenant,
        cancellationToken);

    private static string LimitPath(string key, string below = "") => $"v1/limits/{Segment(key)}{below}";
}
