using Npgsql;
using Townhall.Testing;

namespace Townhall.Dispatcher.Tests.Backlog;

/// <summary>Idle agents get the work of the backlog that is for their role, and the scaling signal counts no other.</summary>
public sealed class BacklogClaimTests(PostgresServer postgres) : IClassFixture<PostgresServer>
{
    private readonly CancellationToken _deadline = Deadline.Usual();

    [Fact]
    public async Task An_idle_agent_does_not_wait_beside_a_full_backlog()
    {
        await using var database = await postgres.CreateDatabaseAsync(_deadline);
        var seed = new Seed(database);
        var ann = await AgentAsync(database, seed, "ann", null, concurrency: 2);
        await AddAsync(database, 5);
        Assert.Equal(2, await ClaimableAsync(database));
        Assert.Equal([ann], await ClaimAsync(database));
        Assert.Equal((2L, 3L), (await CountAsync(database, "assigned"), await CountAsync(database, "pending")));
        // What it has fills it: the rest stays free for others.
        Assert.Equal(0, await ClaimableAsync(database));
        Assert.Empty(await ClaimAsync(database));
        var bob = await AgentAsync(database, seed, "bob", "worker");
        Assert.Equal([bob], await ClaimAsync(database));
        await seed.HoldsAsync(_deadline);
    }

    [Fact]
    public async Task Work_for_a_role_is_neither_given_to_others_nor_counted_as_demand_while_there_is_no_such_agent()
    {
        await using var database = await postgres.CreateDatabaseAsync(_deadline);
        var seed = new Seed(database);
        await AgentAsync(database, seed, "ann", "default");
        var paused = await AgentAsync(database, seed, "rita", "Reviewer");
        await database.ExecuteAsync($"UPDATE agent SET control = 'paused' WHERE id = '{paused}'", _deadline);
        await AddAsync(database, 3, "role:REVIEWER", "role:default");
        Assert.Equal(0, await ClaimableAsync(database));
        Assert.Empty(await ClaimAsync(database));
        Assert.Equal(3L, await CountAsync(database, "pending"));

        await database.ExecuteAsync($"UPDATE agent SET control = 'active' WHERE id = '{paused}'", _deadline);
        Assert.Equal(1, await ClaimableAsync(database));
        Assert.Equal([paused], await ClaimAsync(database));
    }

    [Fact]
    public async Task A_specialist_is_not_given_work_that_is_nobodys_in_particular()
    {
        await using var database = await postgres.CreateDatabaseAsync(_deadline);
        await AgentAsync(database, new Seed(database), "rita", "reviewer");
        await AddAsync(database, 1, "docs");
        Assert.Empty(await ClaimAsync(database));
    }

    [Fact]
    public async Task What_may_not_start_yet_stays_in_the_backlog_and_the_most_urgent_goes_first()
    {
        await using var database = await postgres.CreateDatabaseAsync(_deadline);
        await AgentAsync(database, new Seed(database), "ann", null);
        await AddAsync(database, 1, notBefore: "now() + interval '1 hour'");
        Assert.Equal(0, await ClaimableAsync(database));
        await AddAsync(database, 1);
        await AddAsync(database, 1, priority: 7);
        Assert.Single(await ClaimAsync(database));
        Assert.Equal(7, await database.ScalarAsync<short>("SELECT priority FROM task WHERE state = 'assigned'", _deadline));
    }

    [Fact]
    public async Task Two_dispatchers_never_give_one_task_twice()
    {
        await using var database = await postgres.CreateDatabaseAsync(_deadline);
        var seed = new Seed(database);
        for (var i = 0; i < 20; i++)
        {
            await AgentAsync(database, seed, $"agent-{i}", null);
        }

        await AddAsync(database, 30);
        await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => ClaimAsync(database)));
        await ClaimAsync(database);
        Assert.Equal((20L, 10L), (await CountAsync(database, "assigned"), await CountAsync(database, "pending")));
        Assert.Equal(20L, await database.ScalarAsync<long>("SELECT count(DISTINCT agent_id) FROM task WHERE state = 'assigned'", _deadline));
        Assert.Equal(20L, await database.ScalarAsync<long>("SELECT count(DISTINCT task_id) FROM ledger_pending WHERE action = 'TaskAssigned'", _deadline));
        await seed.HoldsAsync(_deadline);
    }

    private async Task<Guid> AgentAsync(TestDatabase database, Seed seed, string name, string? role, int concurrency = 1)
    {
        var id = await seed.AgentAsync(name, _deadline, concurrency);
        await database.ExecuteAsync($"UPDATE agent SET role_id = {(role is null ? "NULL" : $"'{role}'")} WHERE id = '{id}'", _deadline);
        return id;
    }

    private Task AddAsync(TestDatabase database, int count, string? tag = null, string? second = null, int priority = 0, string notBefore = "NULL") =>
        database.ExecuteAsync($"""
            SELECT add_to_backlog('{database.Town}', gen_random_uuid(), 'work', array_remove(ARRAY['{tag}', '{second}'], ''), {priority}::smallint, 1, NULL, {notBefore}, NULL, 'test')
            FROM generate_series(1, {count})
            """, _deadline);

    private async Task<List<Guid>> ClaimAsync(TestDatabase database)
    {
        await using var command = database.App.CreateCommand("SELECT claim_backlog($1, 100)");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = database.Town });
        var agents = new List<Guid>();
        await using var row = await command.ExecuteReaderAsync(_deadline);
        while (await row.ReadAsync(_deadline))
        {
            agents.Add(row.GetGuid(0));
        }

        return agents;
    }

    private Task<long> ClaimableAsync(TestDatabase database) =>
        database.ScalarAsync<long>($"SELECT coalesce(sum(startable), 0)::bigint FROM claimable_backlog('{database.Town}', 100)", _deadline);

    private Task<long> CountAsync(TestDatabase database, string state) =>
        database.ScalarAsync<long>($"SELECT count(*) FROM task WHERE state = '{state}'", _deadline);
}
