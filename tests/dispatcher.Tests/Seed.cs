using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Townhall.Contracts.Ids;
using Townhall.Contracts.Workers;
using Townhall.Dispatcher.Duties;
using Townhall.Dispatcher.Leases;
using Townhall.Dispatcher.Settling;
using Townhall.Dispatcher.Workers;
using Townhall.ServiceDefaults.Settings;
using Townhall.Testing;

namespace Townhall.Dispatcher.Tests;

/// <summary>Arranges a town with the product's own statements.</summary>
internal sealed class Seed(TestDatabase database)
{
    public TownSettings Town { get; } = new()
    {
        Name = database.Town,
        Root = "/",
        Lease = TimeSpan.FromSeconds(30),
        ReaperPeriod = TimeSpan.FromSeconds(5),
        IdleTimeout = TimeSpan.FromSeconds(300),
    };

    public LeaseStore Leases => new(database.App, Town);

    public SettleStore Settling => new(database.App, Town);

    public ReaperStore Reaping => new(database.App, Town, NullLogger<ReaperStore>.Instance);

    public WorkerStore Workers => new(database.App, Town);

    public async Task<Guid> AgentAsync(string name, CancellationToken deadline, int concurrency = 1, int attempts = 1, string runtime = "command")
    {
        var id = AgentId.New().Value;
        await using var command = database.App.CreateCommand("""
            INSERT INTO agent (id, town, name, cli, runtime, grants, max_concurrency, max_attempts)
            VALUES ($1, $2, $3, 'sh', $4, '{"network":"none","read":[],"write":[]}', $5, $6)
            """);
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = id });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = database.Town });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = name });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = runtime });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = concurrency });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = attempts });
        await command.ExecuteNonQueryAsync(deadline);
        return id;
    }

    /// <summary>Accepts <paramref name="count"/> tasks the way townhall does.</summary>
    public async Task<Guid[]> TasksAsync(Guid agent, int count, CancellationToken deadline, DateTime? notBefore = null, int priority = 0, string? key = null, string? rateKey = null,
        DateTime? endsBy = null)
    {
        var ids = Enumerable.Range(0, count).Select(static _ => TaskId.New().Value).ToArray();
        await using var command = database.App.CreateCommand("""
            SELECT count(*) FROM accept_tasks($1, $2, array_fill($3::uuid, ARRAY[$4]), array_fill('work'::text, ARRAY[$4]),
                array_fill('test'::text, ARRAY[$4]), array_fill($6::smallint, ARRAY[$4]), array_fill(NULL::int, ARRAY[$4]),
                array_fill(NULL::float8, ARRAY[$4]), array_fill($5::timestamptz, ARRAY[$4]), array_fill($9::timestamptz, ARRAY[$4]),
                array_fill(NULL::float8, ARRAY[$4]), array_fill($7::text, ARRAY[$4]), array_fill($8::text, ARRAY[$4]),
                array_fill(NULL::text, ARRAY[$4]), array_fill(NULL::text, ARRAY[$4]), array_fill(NULL::bytea, ARRAY[$4]),
                array_fill(NULL::text, ARRAY[$4]))
            WHERE refusal IS NULL
            """);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = database.Town });
        command.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = ids });
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = agent });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = count });
        command.Parameters.Add(new NpgsqlParameter<DateTime?> { TypedValue = notBefore });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = priority });
        command.Parameters.Add(new NpgsqlParameter<string?> { TypedValue = key });
        command.Parameters.Add(new NpgsqlParameter<string?> { TypedValue = rateKey });
        command.Parameters.Add(new NpgsqlParameter<DateTime?> { TypedValue = endsBy });
        Assert.Equal((long)count, await command.ExecuteScalarAsync(deadline));
        return ids;
    }

    public async Task<KnownWorker> WorkerAsync(CancellationToken deadline, int slots = 64)
    {
        var id = WorkerId.New();
        string[] runtimes = ["command", "noop"];
        var (_, hash) = WorkerTokens.Make(id);
        Assert.True(await Workers.RegisterAsync(
            new RegisterRequest(Guid.NewGuid(), id.Value, "w", "here", 1, "1", runtimes, slots, "none"), hash, deadline));
        return new(id, runtimes, slots);
    }

    public async Task<List<Lease>> ClaimAsync(KnownWorker worker, int most, CancellationToken deadline, params Guid[] agents) =>
        (await Leases.ClaimAsync(worker.Id, Guid.NewGuid(), worker.Runtimes,
            [.. agents.Select(agent => new Turn(agent, Math.Max(1, (most + agents.Length - 1) / agents.Length)))], most, deadline)).Leases;

    public static Ending End(KnownWorker worker, Lease lease, string outcome = "completed", int? exit = 0) => new(
        worker.Id,
        new AttemptResult(new(lease.TaskId, lease.Epoch, lease.Token), outcome, exit, "done", null, 4, exit is 0 ? null : "exit_code",
            exit is 0 ? null : "it said no", "none", 1.5, 0));

    /// <summary>The promises that hold in every snapshot: counters equal rows, permits equal leases, one entry per end.</summary>
    public async Task HoldsAsync(CancellationToken deadline)
    {
        Assert.Equal(0L, await database.ScalarAsync<long>($"""
            SELECT count(*) FROM agent a WHERE running <> (SELECT count(*) FROM task t WHERE t.agent_id = a.id AND t.state = 'running')
            """, deadline));
        Assert.Equal(0L, await database.ScalarAsync<long>($"""
            SELECT count(*) FROM limit_key l
            WHERE held <> (SELECT count(*) FROM task t WHERE t.town = l.town AND t.concurrency_key = l.key AND t.state = 'running')
               OR held > max_concurrency
            """, deadline));
        Assert.Equal(0L, await database.ScalarAsync<long>($"""
            SELECT count(*) FROM task_count_now c WHERE c.town = '{database.Town}' AND (
                   c.assigned <> (SELECT count(*) FROM task WHERE town = c.town AND state = 'assigned')
                OR c.running <> (SELECT count(*) FROM task WHERE town = c.town AND state = 'running')
                OR c.completed <> (SELECT count(*) FROM task_history WHERE town = c.town AND state = 'completed')
                OR c.failed <> (SELECT count(*) FROM task_history WHERE town = c.town AND state = 'failed')
                OR c.cancelled <> (SELECT count(*) FROM task_history WHERE town = c.town AND state = 'cancelled')
                OR c.dead <> (SELECT count(*) FROM task_history WHERE town = c.town AND state = 'dead'))
            """, deadline));
        Assert.Equal(0L, await database.ScalarAsync<long>($"""
            SELECT count(*) FROM task_history h WHERE 1 <> (
                SELECT count(*) FROM (
                    SELECT task_id, action FROM ledger_pending UNION ALL SELECT task_id, action FROM ledger) e
                WHERE e.task_id = h.id AND e.action = CASE h.state WHEN 'completed' THEN 'TaskCompleted' WHEN 'failed' THEN 'TaskFailed'
                    WHEN 'cancelled' THEN 'TaskCancelled' ELSE 'TaskDead' END)
            """, deadline));
    }
}
