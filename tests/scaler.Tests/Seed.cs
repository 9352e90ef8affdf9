using System.Globalization;
using Townhall.Testing;

namespace Townhall.Scaler.Tests;

/// <summary>Puts a town into the state that a test begins with.</summary>
internal static class Seed
{
    public static async Task<Guid> AgentAsync(
        TestDatabase database, string name, CancellationToken deadline, string control = "active", int concurrency = 1,
        string age = "0 s", string? lastActive = null, int running = 0)
    {
        var id = Guid.CreateVersion7();
        await database.ExecuteAsync($$"""
            INSERT INTO agent (id, town, name, cli, runtime, grants, control, max_concurrency, created_at, last_active_at, running)
            VALUES ('{{id}}', '{{database.Town}}', '{{name}}', 'noop', 'noop', '{}', '{{control}}', {{concurrency}},
                    now() - interval '{{age}}', {{(lastActive is null ? "NULL" : $"now() - interval '{lastActive}'")}}, {{running}})
            """, deadline);
        return id;
    }

    public static Task TasksAsync(TestDatabase database, Guid agent, int count, CancellationToken deadline, bool due = true) =>
        database.ExecuteAsync(string.Create(CultureInfo.InvariantCulture, $"""
            INSERT INTO task (id, town, agent_id, state, due, available_at, description, max_attempts, created_by)
            SELECT gen_random_uuid(), '{database.Town}', '{agent}', 'assigned', {due}, now() + interval '{(due ? 0 : 3600)} s', 'work', 1, 'test'
            FROM generate_series(1, {count});
            INSERT INTO task_count_delta (town, assigned) VALUES ('{database.Town}', {count})
            """), deadline);

    public static Task BacklogAsync(TestDatabase database, int count, CancellationToken deadline) =>
        database.ExecuteAsync(string.Create(CultureInfo.InvariantCulture, $"""
            INSERT INTO task (id, town, state, description, max_attempts, created_by)
            SELECT gen_random_uuid(), '{database.Town}', 'pending', 'work', 1, 'test' FROM generate_series(1, {count});
            INSERT INTO task_count_delta (town, pending) VALUES ('{database.Town}', {count})
            """), deadline);

    public static async Task<Guid> WorkerAsync(
        TestDatabase database, CancellationToken deadline, string state = "active", int pid = 1, Guid? id = null, string seen = "0 s")
    {
        var worker = id ?? Guid.CreateVersion7();
        await database.ExecuteAsync(string.Create(CultureInfo.InvariantCulture, $"""
            INSERT INTO worker (id, town, name, host, pid, version, runtimes, slots, sandbox, state, token_hash, seen_at, ended_at)
            VALUES ('{worker}', '{database.Town}', 'w', '{Environment.MachineName}', {pid}, '1', ARRAY['noop'], 8, 'none', '{state}',
                    decode(repeat('00', 32), 'hex'), now() - interval '{seen}', {(state is "drained" or "lost" ? "now()" : "NULL")})
            """), deadline);
        return worker;
    }

    /// <summary>Leases everything assigned of an agent to a worker.</summary>
    public static Task LeaseAsync(TestDatabase database, Guid agent, Guid worker, CancellationToken deadline) => database.ExecuteAsync($"""
        WITH leased AS (
            UPDATE task SET state = 'running', attempt = attempt + 1, lease_token = gen_random_uuid(), lease_worker = '{worker}',
                            lease_until = now() + interval '10 min'
            WHERE agent_id = '{agent}' AND state = 'assigned' RETURNING 1
        ), counted AS (
            INSERT INTO task_count_delta (town, assigned, running) SELECT '{database.Town}', -count(*), count(*) FROM leased
        )
        UPDATE agent SET running = running + (SELECT count(*) FROM leased), last_active_at = now() WHERE id = '{agent}'
        """, deadline);

    /// <summary>Everything that runs is done.</summary>
    public static Task FinishAsync(TestDatabase database, CancellationToken deadline) => database.ExecuteAsync($"""
        WITH done AS (DELETE FROM task WHERE town = '{database.Town}' AND state = 'running' RETURNING 1)
        INSERT INTO task_count_delta (town, running, completed) SELECT '{database.Town}', -count(*), count(*) FROM done;
        UPDATE agent SET running = 0 WHERE town = '{database.Town}'
        """, deadline);
}
