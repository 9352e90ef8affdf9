using System.Text.Json.Serialization;
using Townhall.Api.Agents;
using Townhall.Api.Explain;
using Townhall.Api.Limits;
using Townhall.Api.Recovery;
using Townhall.Api.Steering;

namespace Townhall.Api;

/// <summary>The documents by which people steer a town, with the rules of <see cref="TownhallJson"/>.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    AllowDuplicateProperties = false,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault,
    MaxDepth = 16)]
[JsonSerializable(typeof(AgentChange))]
[JsonSerializable(typeof(AgentView))]
[JsonSerializable(typeof(PauseRequest))]
[JsonSerializable(typeof(ControlledAgent))]
[JsonSerializable(typeof(RecoveredView))]
[JsonSerializable(typeof(ReclaimRequest))]
[JsonSerializable(typeof(ReclaimedView))]
[JsonSerializable(typeof(OrphansRequest))]
[JsonSerializable(typeof(OrphansView))]
[JsonSerializable(typeof(PruneRequest))]
[JsonSerializable(typeof(PrunedView))]
[JsonSerializable(typeof(NewLimit))]
[JsonSerializable(typeof(LimitView))]
[JsonSerializable(typeof(LimitListView))]
[JsonSerializable(typeof(HoldersView))]
[JsonSerializable(typeof(NewShare))]
[JsonSerializable(typeof(TenantView))]
[JsonSerializable(typeof(ExplanationView))]
[JsonSerializable(typeof(NewSteering))]
[JsonSerializable(typeof(SteeringListView))]
internal sealed partial class OperatorJson : JsonSerializerContext;
