using System.Reflection;
using System.Text.Json;
using Townhall.Testing;

namespace Townhall.Client.Tests.Documents;

/// <summary>The API's description and the client name the same operations, and the same members of what is sent and answered.</summary>
public sealed class AgreementTests
{
    /// <summary>Other names of operations that are here, and documents for browsers and scrapers.</summary>
    private static readonly string[] NotForPrograms =
    [
        "getDocs", "getDocsScript", "getDocsStyle", "getHealthz", "getMetrics", "getOpenApi", "getOpenApiYaml", "getReadyz", "readInbox",
    ];

    // addBlob and putBlob keep the same bytes under the same name; the client works the name out and asks for the second.
    private static readonly (string Operation, string Method, Type? Sent, Type? Answered)[] Known =
    [
        ("addBlob", nameof(TownClient.StoreBlobAsync), null, typeof(StoredBlob)),
        ("addToBacklog", nameof(TownClient.AddToBacklogAsync), typeof(NewBacklogTask), typeof(AddedTask)),
        ("assignBacklog", nameof(TownClient.AssignBacklogAsync), typeof(AgentReference), typeof(AssignedBacklog)),
        ("assignTask", nameof(TownClient.AssignAsync), typeof(NewAssignment), typeof(AssignedTask)),
        ("assignTasks", nameof(TownClient.AssignBatchAsync), typeof(NewBatch), typeof(BatchAnswer)),
        ("beginBulk", nameof(TownClient.DraftBulkAsync), typeof(BulkRequest), typeof(BulkDraft)),
        ("beginBulk", nameof(TownClient.ConfirmBulkAsync), typeof(BulkRequest), typeof(BulkProgress)),
        ("cancelTask", nameof(TownClient.CancelAsync), null, typeof(AgentTask)),
        ("changeAgent", nameof(TownClient.ChangeAgentAsync), typeof(AgentChange), typeof(TownAgent)),
        ("claimFromBacklog", nameof(TownClient.ClaimAsync), typeof(AgentReference), typeof(AssignedTask)),
        ("closeAgent", nameof(TownClient.CloseAsync), null, typeof(ControlledAgent)),
        ("deleteLimit", nameof(TownClient.RemoveLimitAsync), null, null),
        ("explainTask", nameof(TownClient.ExplainAsync), null, typeof(Explanation)),
        ("followEvents", nameof(TownClient.FollowEventsAsync), null, null),
        ("getAgent", nameof(TownClient.AgentAsync), null, typeof(TownAgent)),
        ("getBlob", nameof(TownClient.BlobAsync), null, null),
        ("getBulk", nameof(TownClient.BulkAsync), null, typeof(BulkProgress)),
        ("getHealth", nameof(TownClient.HealthAsync), null, typeof(TownHealth)),
        ("getInbox", nameof(TownClient.InboxPageAsync), null, typeof(Inbox)),
        ("getLimit", nameof(TownClient.LimitAsync), null, typeof(Limit)),
        ("getMessage", nameof(TownClient.MessageAsync), null, typeof(TownMessage)),
        ("getOutput", nameof(TownClient.OutputAsync), null, null),
        ("getReady", nameof(TownClient.ReadyAsync), null, typeof(TownReadiness)),
        ("getScaling", nameof(TownClient.ScalingAsync), null, typeof(ScalingReading)),
        ("getStatus", nameof(TownClient.StatusAsync), null, typeof(TownStatus)),
        ("getTask", nameof(TownClient.TaskAsync), null, typeof(AgentTask)),
        ("getTenant", nameof(TownClient.TenantAsync), null, typeof(Tenant)),
        ("getTown", nameof(TownClient.TownAsync), null, typeof(TownInfo)),
        ("interruptAgent", nameof(TownClient.InterruptAsync), null, typeof(ControlledAgent)),
        ("killAgent", nameof(TownClient.KillAsync), null, typeof(ControlledAgent)),
        ("listAgents", nameof(TownClient.AgentPageAsync), null, typeof(AgentPage)),
        ("listBacklog", nameof(TownClient.BacklogAsync), null, typeof(BacklogPage)),
        ("listCheckpoints", nameof(TownClient.CheckpointsAsync), null, typeof(CheckpointPage)),
        ("listHolders", nameof(TownClient.LimitHoldersAsync), null, typeof(LimitHolders)),
        ("listKeys", nameof(TownClient.KeysAsync), null, typeof(KeyPage)),
        ("listLedger", nameof(TownClient.LedgerAsync), null, typeof(LedgerPage)),
        ("listLedgerKeys", nameof(TownClient.LedgerKeysAsync), null, typeof(LedgerKeys)),
        ("listLimits", nameof(TownClient.LimitsAsync), null, typeof(LimitPage)),
        ("listPendingTasks", nameof(TownClient.PendingTasksAsync), null, typeof(TaskPage)),
        ("listSteering", nameof(TownClient.SteeringAsync), null, typeof(SteeringNotes)),
        ("listTasks", nameof(TownClient.TaskPageAsync), null, typeof(TaskPage)),
        ("makeKey", nameof(TownClient.MakeKeyAsync), typeof(NewKey), typeof(MadeKey)),
        ("pauseAgent", nameof(TownClient.PauseAsync), typeof(PauseRequest), typeof(ControlledAgent)),
        ("pruneAgents", nameof(TownClient.PruneAsync), typeof(PruneRequest), typeof(PrunedAgents)),
        ("putBlob", nameof(TownClient.StoreBlobAsync), null, typeof(StoredBlob)),
        ("putLimit", nameof(TownClient.SetLimitAsync), typeof(NewLimit), typeof(Limit)),
        ("putTenant", nameof(TownClient.SetTenantAsync), typeof(NewShare), typeof(Tenant)),
        ("reclaim", nameof(TownClient.ReclaimAsync), typeof(ReclaimRequest), typeof(ReclaimedTasks)),
        ("reclaimOrphans", nameof(TownClient.ReclaimOrphansAsync), typeof(OrphansRequest), typeof(OrphanTasks)),
        ("recover", nameof(TownClient.RecoverAsync), null, typeof(RecoveredAgents)),
        ("removeFromBacklog", nameof(TownClient.RemoveFromBacklogAsync), null, typeof(RemovedTask)),
        ("removeMessage", nameof(TownClient.RemoveMessageAsync), null, typeof(RemovedMessage)),
        ("restartAgent", nameof(TownClient.RestartAsync), null, typeof(ControlledAgent)),
        ("resumeAgent", nameof(TownClient.ResumeAsync), null, typeof(ControlledAgent)),
        ("retryTask", nameof(TownClient.RetryAsync), typeof(RetryRequest), typeof(AgentTask)),
        ("revokeKey", nameof(TownClient.RevokeKeyAsync), null, null),
        ("rotateKey", nameof(TownClient.RotateKeyAsync), typeof(KeyRotation), typeof(MadeKey)),
        ("sendMessage", nameof(TownClient.SendAsync), typeof(NewMessage), typeof(SentMessage)),
        ("spawnAgent", nameof(TownClient.SpawnAsync), typeof(NewAgent), typeof(SpawnedAgent)),
        ("steerTask", nameof(TownClient.SteerAsync), typeof(NewSteering), typeof(NotedSteering)),
    ];

    private static readonly JsonElement Description = JsonDocument.Parse(
        File.ReadAllBytes(Path.Combine(Programs.Repository(), "docs", "openapi", "townhall-v1.json"))).RootElement;

    private static readonly Dictionary<string, JsonElement> Operations = Description.GetProperty("paths").EnumerateObject()
        .SelectMany(static path => path.Value.EnumerateObject())
        .Where(static one => one.Value.ValueKind == JsonValueKind.Object && one.Value.TryGetProperty("operationId", out _))
        .ToDictionary(static one => one.Value.GetProperty("operationId").GetString()!, static one => one.Value);

    [Fact]
    public void Every_operation_has_a_method_or_a_reason_to_have_none() => Assert.Equal(
        Operations.Keys.Order(StringComparer.Ordinal),
        Known.Select(static one => one.Operation).Concat(NotForPrograms).Distinct().Order(StringComparer.Ordinal));

    [Fact]
    public void No_member_of_an_answer_or_a_request_is_left_out()
    {
        var missing = new List<string>();
        foreach (var (operation, _, sent, answered) in Known)
        {
            var told = Operations[operation];
            if (sent is not null)
            {
                Compare(told.GetProperty("requestBody").GetProperty("content").GetProperty("application/json").GetProperty("schema"), sent, missing);
            }

            if (answered is not null)
            {
                Compare(AnswerOf(told, answered), answered, missing);
            }
        }

        Compare(Description.GetProperty("components").GetProperty("schemas").GetProperty("LedgerEvent"), typeof(TownEvent), missing);
        Assert.Empty(missing.Distinct());
    }

    /// <summary>The schema of the answer; of a bulk's two it is the one that the type stands for.</summary>
    private static JsonElement AnswerOf(JsonElement operation, Type type)
    {
        var schemas = operation.GetProperty("responses").EnumerateObject()
            .Where(static one => one.Name.StartsWith('2') && one.Value.TryGetProperty("content", out _))
            .Select(static one => Followed(one.Value.GetProperty("content").GetProperty("application/json").GetProperty("schema"))).ToArray();
        var member = type == typeof(BulkDraft) ? "confirm_token" : type == typeof(BulkProgress) ? "done" : null;
        return schemas.First(schema => member is null || schema.GetProperty("properties").TryGetProperty(member, out _));
    }

    private static void Compare(JsonElement schema, Type type, List<string> missing)
    {
        schema = Followed(schema);
        if (schema.TryGetProperty("items", out var items))
        {
            Compare(items, ElementOf(type), missing);
        }

        if (!schema.TryGetProperty("properties", out var properties))
        {
            return;
        }

        var known = type.GetProperties(BindingFlags.Public | BindingFlags.Instance)
            .ToDictionary(static one => JsonNamingPolicy.SnakeCaseLower.ConvertName(one.Name), static one => one.PropertyType);
        foreach (var property in properties.EnumerateObject())
        {
            if (!known.TryGetValue(property.Name, out var inner))
            {
                missing.Add($"{type.Name}.{property.Name}");
            }
            else if (!inner.IsGenericType || inner.GetGenericTypeDefinition() != typeof(Dictionary<,>))
            {
                Compare(property.Value, Nullable.GetUnderlyingType(inner) ?? inner, missing);
            }
        }
    }

    private static Type ElementOf(Type type) => type.GetElementType() ?? (type.IsGenericType ? type.GetGenericArguments()[0] : type);

    /// <summary>What a schema refers to, also as one of two of which the other is null.</summary>
    private static JsonElement Followed(JsonElement schema)
    {
        if (schema.TryGetProperty("anyOf", out var either))
        {
            schema = either[0];
        }

        return schema.TryGetProperty("$ref", out var reference)
            ? Description.GetProperty("components").GetProperty("schemas").GetProperty(reference.GetString()!.Split('/')[^1])
            : schema;
    }
}
