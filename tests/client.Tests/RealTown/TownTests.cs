using System.Net;
using Townhall.Testing;

namespace Townhall.Client.Tests.RealTown;

/// <summary>The client and the service agree on every document, proved by the service itself.</summary>
public sealed class TownTests(PostgresServer postgres, RedisServer redis) : IClassFixture<PostgresServer>, IClassFixture<RedisServer>
{
    [Fact]
    public async Task Every_document_of_agents_and_tasks_is_understood()
    {
        var deadline = Deadline.Of(TimeSpan.FromSeconds(60));
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        await using var service = await ServiceProcess.StartAsync("services/townhall", database.Settings(redis.Instance), deadline);
        using var town = new TownClient(new TownClientOptions(service.Address));

        Assert.Equal("ready", (await town.ReadyAsync(deadline)).Readiness.Status);
        Assert.Equal("ok", (await town.HealthAsync(deadline)).Status);
        Assert.Equal(database.Town, (await town.TownAsync(deadline)).Name);

        var spawned = await town.SpawnAsync(new("scout", "sh", MaxConcurrency: 2, Grant: new("none", ["/srv"]), Tenant: "research"), deadline);
        Assert.Equal("Starting", spawned.State);
        var changed = await town.ChangeAgentAsync("SCOUT", new AgentChange { Nickname = "Ada", TimeoutSecs = 60, MaxAttempts = 3 }, deadline);
        Assert.Equal(("Ada", 60d, 3), (changed.Nickname, changed.TimeoutSecs, changed.MaxAttempts));
        Assert.Null((await town.ChangeAgentAsync("ada", new AgentChange { Nickname = "", TimeoutSecs = 0 }, deadline)).Nickname);
        Assert.Equal(spawned.AgentId, (await town.AgentsAsync(deadline).ToListAsync(deadline)).Single().Id);

        Assert.Equal(("paused", true), await town.PauseAsync("scout", true, deadline) is { } paused ? (paused.Status, paused.Frozen) : default);
        Assert.Equal("resumed", (await town.ResumeAsync("scout", deadline)).Status);
        Assert.Equal("paused", (await town.InterruptAsync("scout", deadline)).Status);
        Assert.Equal("resumed", (await town.ResumeAsync("scout", deadline)).Status);

        var assigned = await town.AssignAsync(
            new("scout", "echo hi", ["nightly"], Priority: 5, NotBefore: DateTimeOffset.UnixEpoch.AddYears(100), ConcurrencyKey: "disk"), deadline);
        var id = assigned.TaskId.ToString();
        var task = await town.TaskAsync(id, deadline);
        Assert.Equal(("assigned", "scout", "disk", false), (task.State, task.AgentName, task.ConcurrencyKey, task.HasEnded));
        Assert.True((await town.ExplainAsync(id, deadline)).Waiting);
        Assert.Equal(task.TaskId, (await town.SteerAsync(id, "slowly", deadline)).TaskId);
        Assert.Equal("slowly", Assert.Single((await town.SteeringAsync(id, deadline)).Steering).Text);
        Assert.Equal("cancelled", (await town.CancelAsync(id, deadline)).State);
        Assert.Equal(task.TaskId, (await town.RetryAsync(id, force: false, deadline)).RetryOf);
        Assert.Equal("already_retried", (await Refused(town.RetryAsync(id, force: false, deadline))).Code);
        Assert.Equal(task.TaskId, (await town.RetryAsync(id, force: true, deadline)).RetryOf);

        var batch = await town.AssignBatchAsync([new("scout", "one"), new("nobody", "two")], deadline);
        Assert.Equal((1, 1, "agent_not_found"), (batch.Accepted, batch.Refused, batch.Tasks[1].Error?.Code));
        var draft = await town.DraftBulkAsync("cancel", new(Agent: "scout"), null, deadline);
        Assert.Equal(3, draft.Count);
        Assert.Equal(3, (await town.ConfirmBulkAsync(draft.ConfirmToken, deadline)).Total);
        await Eventually.Is(async () => (await town.BulkAsync(draft.BulkId, deadline)).State, static state => state == "finished", deadline);

        var status = await town.StatusAsync(deadline);
        Assert.Equal((1L, 4L), (status.AgentCount, status.Tasks.Cancelled));
        Assert.Contains((await town.CloseAsync("scout", deadline)).Status, (string[])["draining", "stopped"]);
        Assert.Equal("stopped", (await town.KillAsync("scout", deadline)).Status);
        Assert.Equal("restarted", (await town.RestartAsync("scout", deadline)).Status);
    }

    [Fact]
    public async Task Every_document_of_limits_recovery_and_the_ledger_is_understood()
    {
        var deadline = Deadline.Of(TimeSpan.FromSeconds(60));
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        await using var service = await ServiceProcess.StartAsync("services/townhall", database.Settings(redis.Instance), deadline);
        using var town = new TownClient(new TownClientOptions(service.Address));

        Assert.Equal(2, (await town.SetLimitAsync("db/main", new(2, 30, 5), deadline)).MaxConcurrency);
        Assert.Equal(30, (await town.LimitAsync("db/main", deadline)).RatePerMinute);
        Assert.Equal("db/main", Assert.Single(await town.LimitsAsync(deadline).ToListAsync(deadline)).Key);
        Assert.Empty((await town.LimitHoldersAsync("db/main", deadline)).Holders);
        await town.RemoveLimitAsync("db/main", deadline);
        Assert.DoesNotContain(await town.LimitsAsync(deadline).ToListAsync(deadline), static limit => limit.Configured);
        Assert.Equal("limit_not_found", (await Refused(town.LimitAsync("nobody", deadline))).Code);
        Assert.Equal(3, (await town.SetTenantAsync("research", 3, deadline)).Weight);
        Assert.Equal(3, (await town.TenantAsync("research", deadline)).Weight);

        await town.SpawnAsync(new("scout", "sh"), deadline);
        await town.AssignAsync(new("scout", "echo hi"), deadline);
        Assert.Equal(0, (await town.RecoverAsync(dryRun: true, deadline)).Recovered);
        Assert.Equal("agent_not_ended", (await Refused(town.ReclaimAsync(false, null, "scout", dryRun: false, deadline))).Code);
        await town.KillAsync("scout", deadline);
        Assert.Equal("agent_terminal", Assert.Single((await town.ReclaimOrphansAsync("list", dryRun: false, deadline)).Orphans).Reason);
        Assert.Equal((1, "Listed"), await town.ReclaimAsync(false, null, null, dryRun: false, deadline) is { } listed ? (listed.Reclaimed, listed.Destination) : default);
        Assert.Equal((1, "Backlog"), await town.ReclaimAsync(true, null, null, dryRun: false, deadline) is { } moved ? (moved.Reclaimed, moved.Destination) : default);
        Assert.Equal(["scout"], (await town.PruneAsync(all: false, dryRun: false, deadline)).Agents);
        Assert.Equal(HttpStatusCode.NotFound, (await Refused(town.AgentAsync("scout", deadline))).Status);

        // No sequencer runs here: the chain is empty, and its page says so.
        Assert.Equal((database.Town, 0L), await town.LedgerAsync(0, 10, deadline) is { } page ? (page.Town, page.Head.Seq) : default);
    }

    [Fact]
    public async Task Every_document_of_messages_and_blobs_is_understood()
    {
        var deadline = Deadline.Of(TimeSpan.FromSeconds(60));
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        await using var service = await ServiceProcess.StartAsync("services/townhall", database.Settings(redis.Instance), deadline);
        using var town = new TownClient(new TownClientOptions(service.Address));
        await town.SpawnAsync(new("scout", "sh"), deadline);
        Assert.Equal("reviewer", (await town.ChangeAgentAsync("scout", new AgentChange { RoleId = "reviewer" }, deadline)).RoleId);
        Assert.Null((await town.ChangeAgentAsync("scout", new AgentChange { RoleId = "" }, deadline)).RoleId);

        var first = await town.SendAsync(new("scout", "rejected: no tests", Kind: "ack", CorrelationId: "pr-12"), deadline);
        var task = await town.SendAsync(new("scout", "echo hi"), deadline);
        var page = await town.InboxPageAsync("scout", 1, null, deadline);
        Assert.Equal((first.MessageId, 1), (Assert.Single(page.Messages).Id, page.Count));
        Assert.Equal(task.MessageId, Assert.Single((await town.InboxPageAsync("scout", 1, page.NextCursor, deadline)).Messages).Id);
        var whole = await town.MessageAsync(first.MessageId, deadline);
        Assert.Equal(("ack", "rejected", "no tests", "pr-12"), (whole.Kind, whole.AckType, whole.Reason, whole.CorrelationId));
        Assert.Equal("message_is_task", (await Refused(town.RemoveMessageAsync(task.MessageId, deadline))).Code);
        Assert.True((await town.RemoveMessageAsync(first.MessageId, deadline)).Removed);
        Assert.Equal("message_not_found", (await Refused(town.MessageAsync(first.MessageId, deadline))).Code);

        Assert.Equal(task.TaskId, Assert.Single(await town.PendingTasksAsync(deadline).ToListAsync(deadline)).TaskId);
        Assert.Empty((await town.StatusAsync(deep: true, deadline)).Deep!.Workers);
        var longAgo = new DateTimeOffset(2001, 2, 3, 4, 5, 6, TimeSpan.FromHours(1));
        Assert.Equal(task.TaskId, Assert.Single((await town.TaskPageAsync(new() { CreatedAfter = longAgo, OldestFirst = true }, deadline)).Tasks).TaskId);
        Assert.Empty((await town.TaskPageAsync(
            new() { CreatedBefore = longAgo, EndedAfter = longAgo, EndedBefore = longAgo.AddDays(1), RetryOf = task.TaskId }, deadline)).Tasks);

        var stored = await town.StoreBlobAsync("hello"u8.ToArray(), deadline);
        Assert.Equal(("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824", 5), (stored.Sha256, stored.Bytes));
        using var read = new StreamReader(await town.BlobAsync(stored.Sha256, deadline));
        Assert.Equal("hello", await read.ReadToEndAsync(deadline));
    }

    [Fact]
    public async Task Every_document_of_keys_is_understood()
    {
        var deadline = Deadline.Of(TimeSpan.FromSeconds(60));
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        await using var service = await ServiceProcess.StartAsync("services/townhall", database.Settings(redis.Instance), deadline);
        using var town = new TownClient(new TownClientOptions(service.Address));
        var agent = (await town.SpawnAsync(new("scout", "sh"), deadline)).AgentId;

        var made = await town.MakeKeyAsync(new("ci", ["town.read", "town.write"], agent, 3600), deadline);
        Assert.Equal((agent, TimeSpan.FromHours(1)), (made.AgentId, made.ExpiresAt - made.CreatedAt));
        Assert.DoesNotContain(made.Key, made.ToString(), StringComparison.Ordinal);
        Assert.Equal("key_name_taken", (await Refused(town.MakeKeyAsync(new("CI", ["town.read"]), deadline))).Code);

        var next = await town.RotateKeyAsync(made.KeyId, TimeSpan.FromMinutes(1), TimeSpan.FromDays(1), deadline);
        Assert.Equal(("ci", made.KeyId, TimeSpan.FromDays(1)), (next.Name, next.ReplacedKeyId, next.ExpiresAt - next.CreatedAt));
        await town.RevokeKeyAsync(next.KeyId, deadline);
        await town.RevokeKeyAsync(next.KeyId, deadline);
        var keys = await town.KeysAsync(deadline).ToDictionaryAsync(static key => key.KeyId, cancellationToken: deadline);
        Assert.Equal(("replaced", next.KeyId, "revoked"), (keys[made.KeyId].State, keys[made.KeyId].ReplacedBy, keys[next.KeyId].State));
        Assert.Equal("key_ended", (await Refused(town.RotateKeyAsync(next.KeyId, null, null, deadline))).Code);
    }

    private static Task<TownProblemException> Refused<T>(Task<T> call) => Assert.ThrowsAsync<TownProblemException>(() => call);
}
