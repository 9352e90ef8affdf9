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
        var made = await Task.WhenAll(Enumerable.Range(0, 10).Select(i => parts.Agents.SpawnAsync(
            Contracts.Ids.AgentId.New(), new NewAgent(i % 2 == 0 ? "Scout" : "scout", "sh"), "sh", "test", deadline)));
        Assert.Single(made, static one => one == SpawnOutcome.Spawned);
        Assert.Equal(1L, await database.ScalarAsync<long>("SELECT count(*) FROM ledger_pending WHERE action = 'AgentSpawned'", deadline));
    }

    [Fact]
    public async Task Nobody_can_make_an_agent_unreachable_by_what_they_call_their_own()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var parts = new Parts(database);
        var one = await parts.SpawnAsync("one", deadline, nickname: "Dorothy");
        foreach (var (name, nickname) in ((string, string)[])[("two", "ONE"), ("dorothy", "Ruth"), ("One", "Ruth")])
        {
            Assert.Equal(
                SpawnOutcome.NameTaken,
                await parts.Agents.SpawnAsync(Contracts.Ids.AgentId.New(), new NewAgent(name, "sh", null, nickname), "sh", "test", deadline));
        }

        Assert.True(await parts.Agents.IsNameOfAnotherAsync("ONE", Contracts.Ids.AgentId.New(), deadline));
        Assert.False(await parts.Agents.IsNameOfAnotherAsync("one", one, deadline));
        Assert.Equal(1L, await database.ScalarAsync<long>("SELECT count(*) FROM agent", deadline));
        foreach (var reserved in (string[])["supervisor", "Conductor"])
        {
            Assert.Equal("agent_name_reserved", new NewAgent(reserved).Fault()!.Code);
            Assert.Equal("agent_name_reserved", new NewAgent("fine", Nickname: reserved).Fault()!.Code);
            Assert.IsType<AgentReference.Supervisor>(await new AgentDirectory(parts.Agents).ResolveAsync(reserved, deadline));
        }

        Assert.IsType<AgentReference.Supervisor>(await new AgentDirectory(parts.Agents).ResolveAsync("00000000-0000-0000-0000-000000000001", deadline));
    }

    [Fact]
    public async Task No_reference_reads_all_agents_and_no_page_of_them_does()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        await database.ExecuteAsync($"""
            INSERT INTO agent (id, town, name, nickname, role_id, cli, runtime, grants)
            SELECT gen_random_uuid(), '{database.Town}', 'agent-' || n, 'nick-' || n, 'reviewer', 'sh', 'command', '{"{}"}' FROM generate_series(1, 10000) AS n;
            ANALYZE agent
            """, deadline);
        var parts = new Parts(database);
        foreach (var reference in (string[])["agent-77", "NICK-77", "nick-77 [reviewer]"])
        {
            Assert.Equal("agent-77", Assert.Single(await parts.Agents.ResolveAsync(reference, deadline)).Name);
        }

        foreach (var condition in (string[])
            ["lower(a.name) = lower('x')", "a.nickname IS NOT NULL AND lower(a.nickname) = lower('x')",
             "a.nickname IS NOT NULL AND lower(agent_label(a.nickname, a.role_id, a.name)) = lower('x')", "left(a.id::text, 4) = lower('abcd')", "a.id > '80000000-0000-0000-0000-000000000000' ORDER BY a.id"])
        {
            var plan = await database.ScalarAsync<string>($"EXPLAIN (FORMAT JSON) SELECT a.id FROM agent a WHERE a.town = '{database.Town}' AND {condition} LIMIT 2", deadline);
            Assert.DoesNotContain("Seq Scan", plan, StringComparison.Ordinal);
        }

        var (seen, after) = (new HashSet<Guid>(), Guid.Empty);
        while (await parts.Agents.ListAsync(after, 1000, deadline) is { Count: > 0 } page)
        {
            Assert.All(page, one => Assert.True(seen.Add(one.Id)));
            after = page[^1].Id;
        }

        Assert.Equal(10_000, seen.Count);
    }
}
