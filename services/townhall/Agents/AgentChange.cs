using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using Townhall.Api.Text;
using Townhall.ServiceDefaults.Problems;

namespace Townhall.Api.Agents;

/// <summary><c>PATCH /v1/agents/{agent}</c>: what is named is changed, the rest stays (RFC 7396).</summary>
/// <param name="MaxConcurrency">1 to 1024. Less than runs now ends nothing; nothing more starts until fewer run.</param>
/// <param name="MaxAttempts">1 to 100, for tasks accepted from now on.</param>
/// <param name="TimeoutSecs">More than 0, at most 86400, or null for none; for tasks accepted from now on.</param>
/// <param name="Weight">1 to 100: its share of turns among its tenant's agents.</param>
/// <param name="Tenant">Whose turns its turns are, at most 128 bytes.</param>
/// <param name="Nickname">At most 128 bytes, or null for none.</param>
/// <param name="RoleId">At most 128 bytes, or null for none; which work of the backlog it gets from now on.</param>
internal sealed record AgentChange(
    [Range(1, 1024)] int? MaxConcurrency = null, [Range(1, 100)] int? MaxAttempts = null,
    [ReadsAs(typeof(double)), Range(0.0, 86_400.0, MinimumIsExclusive = true)] JsonElement TimeoutSecs = default,
    [Range(1, 100)] int? Weight = null, [Plain(128)] string? Tenant = null, [ReadsAs(typeof(string)), Plain(128)] JsonElement Nickname = default,
    [ReadsAs(typeof(string)), Plain(128)] JsonElement RoleId = default)
{
    internal bool SaysTimeout => TimeoutSecs.ValueKind != JsonValueKind.Undefined;

    internal double? Timeout => TimeoutSecs.ValueKind == JsonValueKind.Number && TimeoutSecs.TryGetDouble(out var secs) ? secs : null;

    internal bool SaysNickname => Nickname.ValueKind != JsonValueKind.Undefined;

    internal string? NewNickname => TextOf(Nickname);

    internal bool SaysRole => RoleId.ValueKind != JsonValueKind.Undefined;

    internal string? NewRole => TextOf(RoleId);

    public Refusal? Fault() =>
        AgentBounds.Fault(MaxConcurrency, MaxAttempts, Timeout, Weight, Tenant)
        ?? (SaysTimeout && Timeout is null && TimeoutSecs.ValueKind != JsonValueKind.Null ? Problems.Invalid("timeout_secs must be a number or null.") : null)
        ?? (SaysNickname && NewNickname is null && Nickname.ValueKind != JsonValueKind.Null ? Problems.Invalid("nickname must be a text or null.") : null)
        ?? NewAgent.NicknameFault(NewNickname)
        ?? (SaysRole && NewRole is null && RoleId.ValueKind != JsonValueKind.Null ? Problems.Invalid("role_id must be a text or null.") : null)
        ?? (NewRole is { } role && PlainText.Fault("role_id", role, 128, lines: false) is { } wrong ? Problems.Invalid(wrong) : null);

    /// <summary>The text, or null where it is none: half of a surrogate pair is JSON and no text.</summary>
    private static string? TextOf(JsonElement value)
    {
        try
        {
            return value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }
}

/// <summary><c>POST /v1/agents/{agent}/pause</c>.</summary>
/// <param name="Freeze">True: what runs stands still, too. False: it goes on. Left out: as it is.</param>
internal sealed record PauseRequest(bool? Freeze = null);

/// <summary>Where the agent stands now.</summary>
/// <param name="Status">What became of it: <c>paused</c>, <c>resumed</c>, <c>stopped</c>, <c>restarted</c> or <c>draining</c>.</param>
/// <param name="Running">Attempts that a worker holds at this moment; after a kill they end within seconds.</param>
internal sealed record ControlledAgent(string Status, string Agent, Guid AgentId, bool Frozen, int Running);

/// <summary>The bounds that a new agent and a changed one share.</summary>
internal static class AgentBounds
{
    public static Refusal? Fault(int? maxConcurrency, int? maxAttempts, double? timeoutSecs, int? weight, string? tenant)
    {
        var wrong = maxConcurrency is < 1 or > 1024 ? "max_concurrency must be 1 to 1024."
            : maxAttempts is < 1 or > 100 ? "max_attempts must be 1 to 100."
            : timeoutSecs is <= 0 or > 86_400 ? "timeout_secs must be more than 0 and at most 86400."
            : weight is < 1 or > 100 ? "weight must be 1 to 100."
            : tenant is not null ? PlainText.Fault("tenant", tenant, 128, lines: false)
            : null;
        return wrong is null ? null : Problems.Invalid(wrong);
    }
}
