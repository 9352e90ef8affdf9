using System.Text.Json;

namespace Townhall.Cli.Events;

/// <summary>One event, as <c>data:</c> of <c>GET /events</c> says.</summary>
internal sealed record EventRow(
    long Seq, string Id, Guid? AgentId, string? AgentName, Guid? TaskId, string Actor, string Action, DateTime Timestamp,
    JsonElement Detail, string Outcome, string PrevHash, string Hash);
