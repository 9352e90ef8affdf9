using System.Text.Json;
using System.Text.Json.Serialization;
using Townhall.Api.Agents;
using Townhall.Api.Bulk;
using Townhall.Api.LedgerPages;
using Townhall.Api.Tasks;
using Townhall.Api.Town;

namespace Townhall.Api;

/// <summary>Every JSON document of this service, read strictly and without reflection.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    AllowDuplicateProperties = false,
    MaxDepth = 16)]
[JsonSerializable(typeof(NewAgent))]
[JsonSerializable(typeof(SpawnedAgent))]
[JsonSerializable(typeof(AgentListView))]
[JsonSerializable(typeof(NewAssignment))]
[JsonSerializable(typeof(AssignedTask))]
[JsonSerializable(typeof(NewBatch))]
[JsonSerializable(typeof(BatchView))]
[JsonSerializable(typeof(TaskView))]
[JsonSerializable(typeof(RetryRequest))]
[JsonSerializable(typeof(NewBulk))]
[JsonSerializable(typeof(BulkDraft))]
[JsonSerializable(typeof(BulkView))]
[JsonSerializable(typeof(TownView))]
[JsonSerializable(typeof(StatusView))]
[JsonSerializable(typeof(HealthView))]
[JsonSerializable(typeof(ReadyView))]
[JsonSerializable(typeof(LedgerPageView))]
[JsonSerializable(typeof(CheckpointPageView))]
[JsonSerializable(typeof(LedgerKeyListView))]
[JsonSerializable(typeof(Contracts.Workers.AgentGrant))]
internal sealed partial class TownhallJson : JsonSerializerContext
{
    /// <summary>Makes minimal APIs read and write with this context's rules.</summary>
    public static void Configure(JsonSerializerOptions options)
    {
        options.TypeInfoResolverChain.Insert(0, Default);
        options.TypeInfoResolverChain.Insert(1, OperatorJson.Default);
        options.TypeInfoResolverChain.Insert(2, RestJson.Default);
        options.PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower;
        // The web's defaults would take AGENT for agent.
        options.PropertyNameCaseInsensitive = false;
        options.UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow;
        options.AllowDuplicateProperties = false;
        options.NumberHandling = JsonNumberHandling.Strict;
        options.MaxDepth = 16;
    }
}
