using Townhall.Api.Agents;
using Townhall.Testing;

namespace Townhall.Api.Tests.Agents;

public sealed class ReferenceTests(PostgresServer postgres) : IClassFixture<PostgresServer>
{
    [Fact]
    public async Task An_agent_answers_to_its_id_name_nickname_label_and_short_id()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var parts = new Parts(database);
        var id = await parts.SpawnAsync("worker-1", deadline, nickname: "Dorothy", role: "reviewer");
        var directory = new AgentDirectory(parts.Agents);
        foreach (var reference in (string[])[id.ToString(), "worker-1", "WORKER-1", "dorothy", "Dorothy [reviewer]", id.ToString()[..4]])
        {
            Assert.Equal(new AgentReference.One(id, "worker-1"), await directory.ResolveAsync(reference, deadline));
        }

        Assert.IsType<AgentReference.Nobody>(await directory.ResolveAsync("worker-2", deadline));
    }

    [Fact]
    public async Task A_reference_that_means_two_agents_means_neither()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var parts = new Parts(database);
        await parts.SpawnAsync("one", deadline, nickname: "Dorothy");
        await parts.SpawnAsync("two", deadline, nickname: "dorothy");
        Assert.IsType<AgentReference.Several>(await new AgentDirectory(parts.Agents).ResolveAsync("Dorothy", deadline));
    }

    [Fact]
    public async Task A_name_is_given_once_whatever_its_casing_and_however_many_ask_at_once()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var parts = new Parts(database);
        var made = await Task.WhenAll(Enumerable.Range(0, 10).Select(i => parts.Agents.TrySpawnAsync(
            Contracts.Ids.AgentId.New(), new NewAgent(i % 2 == 0 ? "Scout" : "scout", "sh"), "sh", "test", deadline)));
        Assert.Single(made, static one => one);
        Assert.Equal(1L, await database.ScalarAsync<long>("SELECT count(*) FROM ledger_pending WHERE action = 'AgentSpawned'", deadline));
    }
}
